import java.io.BufferedWriter;
import java.io.OutputStreamWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Prints every committed record of some topics, up to where they end now, each partition in its order. A topic that is not there has
 * none. A line is a record: topic, partition, offset, time, headers as `name=value` behind commas, and the value in base64.
 */
public class CommittedReader {
  public static void main(String[] args) throws Exception {
    Map<String, Object> settings = Map.of(
      "bootstrap.servers", args[0],
      "isolation.level", "read_committed",
      "enable.auto.commit", "false",
      "allow.auto.create.topics", "false",
      "key.deserializer", ByteArrayDeserializer.class,
      "value.deserializer", ByteArrayDeserializer.class
    );
    try (
      KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings);
      BufferedWriter out = new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.US_ASCII), 1 << 20)
    ) {
      List<String> topics = List.of(args).subList(1, args.length);
      List<TopicPartition> partitions = consumer.listTopics().entrySet().stream()
        .filter(entry -> topics.contains(entry.getKey()))
        .flatMap(entry -> entry.getValue().stream())
        .map(info -> new TopicPartition(info.topic(), info.partition()))
        .collect(Collectors.toList());
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (partitions.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
          out.write(lineOf(record));
          out.newLine();
        }
      }
    }
  }

  private static String lineOf(ConsumerRecord<byte[], byte[]> record) {
    StringBuilder headers = new StringBuilder();
    for (Header header : record.headers()) {
      headers.append(',').append(header.key()).append('=').append(new String(header.value(), StandardCharsets.UTF_8));
    }
    String value = record.value() == null ? "" : Base64.getEncoder().encodeToString(record.value());
    return String.join("\t", record.topic(), String.valueOf(record.partition()), String.valueOf(record.offset()),
      String.valueOf(record.timestamp()), headers.toString(), value);
  }
}
