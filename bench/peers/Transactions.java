import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Transactions one after the other: BOOTSTRAP TOPIC PARTITIONS WARM_UP_SECONDS SECONDS PAUSE_MS.
 * Each begins, writes a record of 1 KiB to every partition, and commits. Prints what each that began
 * after the warm-up took, in µs, a line each.
 */
public final class Transactions {
  private static final int VALUE_BYTES = 1024;

  public static void main(String[] args) throws Exception {
    String topic = args[1];
    int partitions = Integer.parseInt(args[2]);
    double warmUp = Double.parseDouble(args[3]);
    double measured = Double.parseDouble(args[4]);
    long pauseMs = Long.parseLong(args[5]);
    Properties config = new Properties();
    config.put("bootstrap.servers", args[0]);
    config.put("transactional.id", "peers");
    config.put("key.serializer", ByteArraySerializer.class.getName());
    config.put("value.serializer", ByteArraySerializer.class.getName());
    // Otherwise all records of a transaction wait for more of them, with every broker alike.
    config.put("linger.ms", "0");
    byte[] value = new byte[VALUE_BYTES];
    List<Long> took = new ArrayList<>();
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(config)) {
      producer.initTransactions();
      long start = System.nanoTime() + (long) (warmUp * 1e9);
      long end = start + (long) (measured * 1e9);
      while (true) {
        long begin = System.nanoTime();
        if (begin >= end) {
          break;
        }
        producer.beginTransaction();
        for (int partition = 0; partition < partitions; partition++) {
          producer.send(new ProducerRecord<>(topic, partition, null, value));
        }
        // The commit waits for the records anyway. Without this, the client's threads race: about one
        // commit in a thousand is sent ahead of its records, and refused (client 4.1.0).
        producer.flush();
        producer.commitTransaction();
        if (begin >= start) {
          took.add((System.nanoTime() - begin) / 1000);
        }
        if (pauseMs > 0) {
          Thread.sleep(pauseMs);
        }
      }
    }
    StringBuilder lines = new StringBuilder();
    took.forEach(us -> lines.append(us).append('\n'));
    System.out.print(lines);
  }
}
