package compat;

import java.io.BufferedReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Produces the records of a case file, or prints a partition's records, as the other clients of
 * this folder do.
 *
 * <p>One record a line, fields separated by tabs: partition, timestamp, key, value, headers. Bytes
 * are base64, "-" is null; headers are name=base64 separated by commas, "-" if there are none.
 */
public final class Compat {
  public static void main(String[] args) throws Exception {
    switch (args[0]) {
      case "produce" -> produce(args[1], args[2], Path.of(args[3]), args[4], args[5], args[6]);
      case "consume" -> consume(args[1], args[2], Integer.parseInt(args[3]), args[4], args[5]);
      default -> throw new IllegalArgumentException("produce or consume, not " + args[0]);
    }
  }

  private static byte[] decode(String field) {
    return field.equals("-") ? null : Base64.getDecoder().decode(field);
  }

  private static String encode(byte[] bytes) {
    return bytes == null ? "-" : Base64.getEncoder().encodeToString(bytes);
  }

  private static void produce(
      String bootstrap, String topic, Path cases, String acks, String codec, String idempotent)
      throws Exception {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("acks", acks);
    config.put("compression.type", codec);
    config.put("enable.idempotence", idempotent);
    config.put("linger.ms", "20");
    config.put("max.request.size", "2000000");
    config.put("key.serializer", ByteArraySerializer.class.getName());
    config.put("value.serializer", ByteArraySerializer.class.getName());
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config);
        BufferedReader lines = Files.newBufferedReader(cases)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] f = line.split("\t");
        List<Header> headers = new ArrayList<>();
        if (!f[4].equals("-")) {
          for (String header : f[4].split(",")) {
            int at = header.indexOf('=');
            headers.add(new RecordHeader(header.substring(0, at), decode(header.substring(at + 1))));
          }
        }
        sent.add(
            producer.send(
                new ProducerRecord<>(
                    topic, Integer.parseInt(f[0]), Long.parseLong(f[1]), decode(f[2]), decode(f[3]),
                    headers)));
      }
      producer.flush();
    }
    for (Future<RecordMetadata> future : sent) {
      future.get();
    }
    System.out.println("produced " + sent.size());
  }

  private static void consume(
      String bootstrap, String topic, int partition, String from, String count) throws Exception {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("key.deserializer", ByteArrayDeserializer.class.getName());
    config.put("value.deserializer", ByteArrayDeserializer.class.getName());
    config.put("enable.auto.commit", "false");
    config.put("auto.offset.reset", "none");
    long wanted = Long.parseLong(count);
    PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
      TopicPartition tp = new TopicPartition(topic, partition);
      consumer.assign(List.of(tp));
      if (from.equals("start")) {
        consumer.seekToBeginning(List.of(tp));
      } else if (from.equals("end")) {
        consumer.seekToEnd(List.of(tp));
        System.out.println("end " + consumer.position(tp));
        return;
      } else if (from.startsWith("@")) {
        Map<TopicPartition, Long> times = new HashMap<>();
        times.put(tp, Long.parseLong(from.substring(1)));
        consumer.seek(tp, consumer.offsetsForTimes(times).get(tp).offset());
      } else {
        consumer.seek(tp, Long.parseLong(from));
      }
      long deadline = System.currentTimeMillis() + 60_000;
      while (wanted > 0 && System.currentTimeMillis() < deadline) {
        for (ConsumerRecord<byte[], byte[]> r : consumer.poll(Duration.ofMillis(500))) {
          if (wanted-- <= 0) {
            break;
          }
          StringBuilder headers = new StringBuilder();
          for (Header h : r.headers()) {
            headers.append(headers.length() == 0 ? "" : ",").append(h.key()).append('=').append(encode(h.value()));
          }
          out.printf(
              "%d\t%d\t%d\t%s\t%s\t%s%n",
              partition, r.offset(), r.timestamp(), encode(r.key()), encode(r.value()),
              headers.length() == 0 ? "-" : headers);
        }
      }
    }
    out.flush();
    if (wanted > 0) {
      System.err.println(wanted + " records are missing");
      System.exit(1);
    }
  }
}
