package compat;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.CooperativeStickyAssignor;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A member of a group until SIGTERM: BOOTSTRAP TOPIC GROUP PROTOCOL. Prints a line a record, before
 * it is committed. PROTOCOL is consumer, share, or the assignor of the classic protocol.
 */
public final class Member {
  private static volatile boolean stopped;

  public static void main(String[] args) throws Exception {
    Thread main = Thread.currentThread();
    Runtime.getRuntime()
        .addShutdownHook(
            new Thread(
                () -> {
                  stopped = true;
                  try {
                    main.join(10_000);
                  } catch (InterruptedException ignored) {
                    Thread.currentThread().interrupt();
                  }
                }));
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("group.id", args[2]);
    config.put("key.deserializer", StringDeserializer.class.getName());
    config.put("value.deserializer", StringDeserializer.class.getName());
    if (args[3].equals("share")) {
      config.put("share.acknowledgement.mode", "explicit");
      share(config, args[1]);
      return;
    }
    config.put("auto.offset.reset", "earliest");
    config.put("enable.auto.commit", "false");
    switch (args[3]) {
      case "consumer" -> config.put("group.protocol", "consumer");
      case "cooperative-sticky" ->
          config.put(
              "partition.assignment.strategy", CooperativeStickyAssignor.class.getName());
      default -> config.put("partition.assignment.strategy", RangeAssignor.class.getName());
    }
    consume(config, args[1]);
  }

  private static void consume(Properties config, String topic) {
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config)) {
      consumer.subscribe(List.of(topic));
      while (!stopped) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
          TopicPartition partition = new TopicPartition(topic, record.partition());
          System.out.println(record.value());
          System.out.flush();
          try {
            consumer.commitSync(Map.of(partition, new OffsetAndMetadata(record.offset() + 1)));
          } catch (KafkaException lost) {
            // The partition is another member's now, which reads the record again.
            break;
          }
        }
      }
    }
  }

  /** Gives every third record back once. */
  private static void share(Properties config, String topic) {
    int count = 0;
    try (KafkaShareConsumer<String, String> consumer = new KafkaShareConsumer<>(config)) {
      consumer.subscribe(List.of(topic));
      while (!stopped) {
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(200))) {
          boolean first = record.deliveryCount().orElse((short) 1) == 1;
          if (first && ++count % 3 == 0) {
            consumer.acknowledge(record, AcknowledgeType.RELEASE);
          } else {
            consumer.acknowledge(record, AcknowledgeType.ACCEPT);
            System.out.println(record.value());
          }
        }
        System.out.flush();
        // What is not taken is given again.
        consumer.commitSync();
      }
    }
  }
}
