package compat;

import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams counts words, exactly once, until it is killed: BOOTSTRAP FROM TO ID FOLDER STORE.
 * STORE is memory or rocksdb. Without a cache, each count of a word comes out once.
 */
public final class WordCount {
  public static void main(String[] args) throws Exception {
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("application.id", args[3]);
    config.put("state.dir", args[4]);
    config.put("processing.guarantee", "exactly_once_v2");
    config.put("commit.interval.ms", "200");
    config.put("statestore.cache.max.bytes", "0");
    config.put("num.stream.threads", "2");
    config.put("replication.factor", "1");
    config.put("consumer.auto.offset.reset", "earliest");
    config.put("consumer.session.timeout.ms", "10000");
    config.put("consumer.heartbeat.interval.ms", "1000");
    config.put("producer.transaction.timeout.ms", "10000");
    config.put("default.key.serde", Serdes.String().getClass());
    config.put("default.value.serde", Serdes.String().getClass());
    StreamsBuilder builder = new StreamsBuilder();
    var store =
        args[5].equals("memory")
            ? Stores.inMemoryKeyValueStore("counts")
            : Stores.persistentKeyValueStore("counts");
    builder.stream(args[1], Consumed.with(Serdes.String(), Serdes.String()))
        // Another key than that of the record: the words cross a topic of Streams' own.
        .groupBy((key, word) -> word, Grouped.with(Serdes.String(), Serdes.String()))
        .count(Materialized.<String, Long>as(store).withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()))
        .toStream()
        .mapValues((word, count) -> word + " " + count)
        .to(args[2], Produced.with(Serdes.String(), Serdes.String()));
    KafkaStreams streams = new KafkaStreams(builder.build(), config);
    streams.setStateListener(
        (now, before) -> {
          System.out.println("state " + now);
          System.out.flush();
        });
    streams.setUncaughtExceptionHandler(
        failure -> {
          System.out.println("again " + failure);
          return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler
              .StreamThreadExceptionResponse.REPLACE_THREAD;
        });
    streams.start();
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    new CountDownLatch(1).await();
  }
}
