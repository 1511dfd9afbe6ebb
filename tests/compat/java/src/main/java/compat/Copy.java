package compat;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Copies records in transactions until it is killed: BOOTSTRAP FROM TO GROUP ID. Each poll is one
 * transaction, with the offsets that it read. Prints a line a transaction.
 */
public final class Copy {
  public static void main(String[] args) throws Exception {
    while (true) {
      try {
        copy(args[0], args[1], args[2], args[3], args[4]);
      } catch (KafkaException lost) {
        // Whatever it was: begin again from the committed offsets, under a higher epoch.
        System.out.println("again " + lost);
        System.out.flush();
        Thread.sleep(200);
      }
    }
  }

  private static void copy(String bootstrap, String from, String to, String group, String id) {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("group.id", group);
    config.put("isolation.level", "read_committed");
    config.put("auto.offset.reset", "earliest");
    config.put("enable.auto.commit", "false");
    config.put("max.poll.records", "40");
    config.put("session.timeout.ms", "10000");
    config.put("key.deserializer", StringDeserializer.class.getName());
    config.put("value.deserializer", StringDeserializer.class.getName());
    Properties written = new Properties();
    written.put("bootstrap.servers", bootstrap);
    written.put("transactional.id", id);
    written.put("transaction.timeout.ms", "10000");
    written.put("key.serializer", StringSerializer.class.getName());
    written.put("value.serializer", StringSerializer.class.getName());
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(config);
        KafkaProducer<String, String> producer = new KafkaProducer<>(written)) {
      producer.initTransactions();
      consumer.subscribe(List.of(from));
      int count = 0;
      while (true) {
        ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(200));
        if (records.isEmpty()) {
          continue;
        }
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        producer.beginTransaction();
        for (ConsumerRecord<String, String> record : records) {
          producer.send(new ProducerRecord<>(to, record.partition(), null, record.value()));
          TopicPartition partition = new TopicPartition(from, record.partition());
          offsets.put(partition, new OffsetAndMetadata(record.offset() + 1));
        }
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
        if (++count % 7 == 0) {
          // Given up after all was written: read again, and not seen twice.
          producer.flush();
          producer.abortTransaction();
          throw new KafkaException("aborted on purpose");
        }
        producer.commitTransaction();
        System.out.println("copied " + records.count());
        System.out.flush();
      }
    }
  }
}
