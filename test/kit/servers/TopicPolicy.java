import java.util.Map;
import org.apache.kafka.common.errors.PolicyViolationException;
import org.apache.kafka.server.policy.CreateTopicPolicy;

/** Refuses small segments, as managed Kafkas do, and one topic altogether. */
public class TopicPolicy implements CreateTopicPolicy {
  @Override public void configure(Map<String, ?> configs) {}
  @Override public void validate(RequestMetadata request) {
    if (request.topic().equals("FORBIDDEN-HERE")) throw new PolicyViolationException("ask the Kafka team first");
    String bytes = request.configs() == null ? null : request.configs().get("segment.bytes");
    if (bytes != null && Long.parseLong(bytes) < 52_428_800L)
      throw new PolicyViolationException("segment.bytes is below the least that is allowed here");
  }
  @Override public void close() {}
}
