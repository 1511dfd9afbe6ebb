package compat;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Every call of Kafka's admin client that a broker without authentication answers: BOOTSTRAP. */
public final class Administer {
  private static final String ONE = "admin-one";
  private static final String TWO = "admin-two";
  private final String bootstrap;
  private final Admin admin;
  private final int broker;

  private Administer(String bootstrap, Admin admin) throws Exception {
    this.bootstrap = bootstrap;
    this.admin = admin;
    this.broker = get(admin.describeCluster().nodes()).iterator().next().id();
  }

  public static void main(String[] args) throws Exception {
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0], "default.api.timeout.ms", "30000"))) {
      Administer all = new Administer(args[0], admin);
      all.topics();
      all.configs();
      all.cluster();
      all.records();
      all.groups("classic");
      all.groups("consumer");
      all.shares();
      all.transactions();
      all.replicas();
      all.unserved();
      all.deletions();
    }
    System.out.println("administered");
  }

  private static <T> T get(KafkaFuture<T> future) throws Exception {
    return future.get(40, TimeUnit.SECONDS);
  }

  private static void check(boolean holds, Object said) {
    if (!holds) {
      throw new AssertionError(said);
    }
  }

  private static void fails(KafkaFuture<?> future, Class<? extends Throwable> expected)
      throws Exception {
    try {
      Object said = get(future);
      throw new AssertionError("no " + expected.getSimpleName() + " but " + said);
    } catch (ExecutionException e) {
      check(expected.isInstance(e.getCause()), expected.getSimpleName() + " was expected: " + e.getCause());
    }
  }

  private void topics() throws Exception {
    NewTopic one = new NewTopic(ONE, 3, (short) 1).configs(Map.of("retention.ms", "7200000"));
    NewTopic placed = new NewTopic(TWO, Map.of(0, List.of(broker), 1, List.of(broker)));
    CreateTopicsOptions dry = new CreateTopicsOptions().validateOnly(true);
    get(admin.createTopics(List.of(one, placed), dry).all());
    check(!get(admin.listTopics().names()).contains(ONE), "what is only validated is there");
    CreateTopicsResult created = admin.createTopics(List.of(one, placed));
    check(get(created.numPartitions(ONE)) == 3, "partitions of a created topic");
    check(get(created.numPartitions(TWO)) == 2, "partitions of a placed topic");
    check(get(created.replicationFactor(ONE)) == 1, "replicas of a created topic");
    check(get(created.config(ONE)).get("retention.ms").value().equals("7200000"), "a config");
    Uuid id = get(created.topicId(ONE));
    fails(admin.createTopics(List.of(one)).all(), TopicExistsException.class);
    fails(admin.createTopics(List.of(new NewTopic("no good", 1, (short) 1))).all(), InvalidTopicException.class);
    fails(admin.createTopics(List.of(new NewTopic("many", 1, (short) 3))).all(), InvalidReplicationFactorException.class);
    fails(admin.createTopics(List.of(new NewTopic("wrong", 1, (short) 1).configs(Map.of("no.such", "1")))).all(), InvalidConfigurationException.class);
    fails(admin.createTopics(List.of(new NewTopic("away", Map.of(0, List.of(broker + 7))))).all(), InvalidReplicaAssignmentException.class);
    TopicDescription said = get(admin.describeTopics(List.of(ONE)).allTopicNames()).get(ONE);
    check(said.partitions().size() == 3 && said.topicId().equals(id), said);
    check(said.partitions().get(2).leader().id() == broker, said);
    check(get(admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds()).get(id).name().equals(ONE), "by id");
    fails(admin.describeTopics(List.of("none")).allTopicNames(), UnknownTopicOrPartitionException.class);
    get(admin.createPartitions(Map.of(ONE, NewPartitions.increaseTo(4))).all());
    fails(admin.createPartitions(Map.of(ONE, NewPartitions.increaseTo(2))).all(), InvalidPartitionsException.class);
    get(admin.createPartitions(Map.of(ONE, NewPartitions.increaseTo(9)), new CreatePartitionsOptions().validateOnly(true)).all());
    check(get(admin.describeTopics(List.of(ONE)).allTopicNames()).get(ONE).partitions().size() == 4, "partitions were added");
  }

  private void configs() throws Exception {
    ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, ONE);
    ConfigResource own = new ConfigResource(ConfigResource.Type.BROKER, "" + broker);
    DescribeConfigsOptions full = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
    Map<ConfigResource, Config> said = get(admin.describeConfigs(List.of(topic, own), full).all());
    ConfigEntry retention = said.get(topic).get("retention.ms");
    check(retention.value().equals("7200000"), retention);
    check(retention.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, retention);
    check(retention.synonyms().size() >= 2 && retention.documentation() != null, retention);
    check(said.get(own).get("num.partitions") != null, said.get(own));
    alter(topic, "retention.ms", "3600000", AlterConfigOp.OpType.SET);
    alter(topic, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
    check(value(topic, "retention.ms").equals("3600000"), "it was set");
    check(Set.of(value(topic, "cleanup.policy").split(",")).equals(Set.of("delete", "compact")), value(topic, "cleanup.policy"));
    alter(topic, "cleanup.policy", "compact", AlterConfigOp.OpType.SUBTRACT);
    alter(topic, "retention.ms", "", AlterConfigOp.OpType.DELETE);
    check(value(topic, "cleanup.policy").equals("delete"), value(topic, "cleanup.policy"));
    check(value(topic, "retention.ms").equals("604800000"), value(topic, "retention.ms"));
    AlterConfigOp wrong = new AlterConfigOp(new ConfigEntry("retention.ms", "long"), AlterConfigOp.OpType.SET);
    fails(admin.incrementalAlterConfigs(Map.of(topic, List.of(wrong))).all(), InvalidConfigurationException.class);
    Collection<ConfigResource> listed = get(admin.listConfigResources().all());
    check(listed.contains(topic) && listed.contains(own), listed);
    listed = get(admin.listConfigResources(Set.of(ConfigResource.Type.BROKER), new ListConfigResourcesOptions()).all());
    check(Set.copyOf(listed).equals(Set.of(own)), listed);
    check(get(admin.listConfigResources(Set.of(ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions()).all()).isEmpty(), "no client metrics are configured");
  }

  private void alter(ConfigResource resource, String name, String value, AlterConfigOp.OpType how) throws Exception {
    AlterConfigOp change = new AlterConfigOp(new ConfigEntry(name, value), how);
    get(admin.incrementalAlterConfigs(Map.of(resource, List.of(change))).all());
  }

  private String value(ConfigResource resource, String name) throws Exception {
    return get(admin.describeConfigs(List.of(resource)).all()).get(resource).get(name).value();
  }

  private void cluster() throws Exception {
    DescribeClusterOptions options = new DescribeClusterOptions().includeAuthorizedOperations(true);
    DescribeClusterResult said = admin.describeCluster(options);
    check(get(said.clusterId()).length() == 22, get(said.clusterId()));
    check(get(said.controller()).id() == broker && get(said.nodes()).size() == 1, "nodes");
    check(!get(said.authorizedOperations()).isEmpty(), "operations");
    FeatureMetadata features = get(admin.describeFeatures().featureMetadata());
    check(features.finalizedFeatures().get("transaction.version").maxVersionLevel() == 2, features);
    QuorumInfo quorum = get(admin.describeMetadataQuorum().quorumInfo());
    check(quorum.leaderId() == broker && quorum.voters().size() == 1, quorum);
    check(quorum.voters().get(0).logEndOffset() >= quorum.highWatermark() && quorum.highWatermark() > 0, quorum);
    Map<Integer, Map<String, LogDirDescription>> dirs = get(admin.describeLogDirs(List.of(broker)).allDescriptions());
    LogDirDescription dir = dirs.get(broker).values().iterator().next();
    check(dir.error() == null && dir.replicaInfos().containsKey(new TopicPartition(ONE, 3)), dir);
    check(dir.totalBytes().orElse(0) > 0 && dir.usableBytes().orElse(0) > 0, dir);
    TopicPartitionReplica replica = new TopicPartitionReplica(ONE, 0, broker);
    check(get(admin.describeReplicaLogDirs(List.of(replica)).all()).get(replica).getCurrentReplicaLogDir() != null, "a replica's folder");
    check(get(admin.describeClientQuotas(ClientQuotaFilter.all()).entities()).isEmpty(), "quotas");
    check(get(admin.describeUserScramCredentials().all()).isEmpty(), "users");
    fails(admin.describeUserScramCredentials(List.of("u")).description("u"), ResourceNotFoundException.class);
  }

  private KafkaProducer<String, String> producer(String id) {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("key.serializer", StringSerializer.class.getName());
    config.put("value.serializer", StringSerializer.class.getName());
    if (id != null) {
      config.put("transactional.id", id);
      config.put("transaction.timeout.ms", "300000");
    }
    return new KafkaProducer<>(config);
  }

  private Properties consumer(String group) {
    Properties config = new Properties();
    config.put("bootstrap.servers", bootstrap);
    config.put("group.id", group);
    config.put("key.deserializer", StringDeserializer.class.getName());
    config.put("value.deserializer", StringDeserializer.class.getName());
    return config;
  }

  private long offset(int partition, OffsetSpec spec) throws Exception {
    TopicPartition asked = new TopicPartition(ONE, partition);
    return get(admin.listOffsets(Map.of(asked, spec)).all()).get(asked).offset();
  }

  private void records() throws Exception {
    long now = System.currentTimeMillis();
    try (KafkaProducer<String, String> producer = producer(null)) {
      for (int n = 0; n < 10; n++) {
        // The largest timestamp is not the last one's.
        long time = now - (n == 6 ? 0 : 100_000 - n * 1000);
        producer.send(new ProducerRecord<>(ONE, 0, time, "k", "v" + n)).get();
      }
    }
    check(offset(0, OffsetSpec.latest()) == 10 && offset(0, OffsetSpec.earliest()) == 0, "offsets");
    check(offset(0, OffsetSpec.maxTimestamp()) == 6, offset(0, OffsetSpec.maxTimestamp()));
    check(offset(0, OffsetSpec.forTimestamp(now - 97_500)) == 3, offset(0, OffsetSpec.forTimestamp(now - 97_500)));
    check(offset(0, OffsetSpec.forTimestamp(now + 1000)) == -1, "a time after all");
    check(offset(0, OffsetSpec.earliestLocal()) == 0, "local");
    check(offset(0, OffsetSpec.latestTiered()) == -1, "tiered");
    TopicPartition zero = new TopicPartition(ONE, 0);
    check(get(admin.deleteRecords(Map.of(zero, RecordsToDelete.beforeOffset(4))).all()) == null, "void");
    check(offset(0, OffsetSpec.earliest()) == 4 && offset(0, OffsetSpec.earliestLocal()) == 4, "trimmed");
    fails(admin.deleteRecords(Map.of(zero, RecordsToDelete.beforeOffset(11))).all(), OffsetOutOfRangeException.class);
    var described = admin.describeProducers(List.of(zero)).partitionResult(zero);
    check(get(described).activeProducers().size() == 1, get(described));
  }

  private void groups(String protocol) throws Exception {
    String group = "admin-" + protocol;
    Properties config = consumer(group);
    config.put("group.protocol", protocol);
    // Closing would commit over what is looked at.
    config.put("enable.auto.commit", "false");
    TopicPartition zero = new TopicPartition(ONE, 0);
    TopicPartition one = new TopicPartition(ONE, 1);
    try (KafkaConsumer<String, String> member = new KafkaConsumer<>(config)) {
      member.subscribe(List.of(ONE));
      long deadline = System.currentTimeMillis() + 60_000;
      while (member.assignment().size() < 4) {
        check(System.currentTimeMillis() < deadline, "no assignment");
        member.poll(java.time.Duration.ofMillis(100));
      }
      member.commitSync(Map.of(zero, new OffsetAndMetadata(7, Optional.empty(), "note"), one, new OffsetAndMetadata(0)));
      ConsumerGroupDescription said = get(admin.describeConsumerGroups(List.of(group)).all()).get(group);
      check(said.groupState() == GroupState.STABLE && said.members().size() == 1, said);
      check(said.members().iterator().next().assignment().topicPartitions().size() == 4, said);
      check(said.type().toString().equalsIgnoreCase(protocol), said);
      if (protocol.equals("classic")) {
        check(get(admin.describeClassicGroups(List.of(group)).all()).get(group).protocol().equals("consumer"), said);
      }
      fails(admin.deleteConsumerGroups(List.of(group)).all(), GroupNotEmptyException.class);
    }
    check(get(admin.listGroups().all()).stream().anyMatch(g -> g.groupId().equals(group)), "listed");
    var offsets = get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
    check(offsets.get(zero).offset() == 7 && offsets.get(zero).metadata().equals("note"), offsets);
    get(admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(5))).all());
    get(admin.deleteConsumerGroupOffsets(group, Set.of(one)).all());
    offsets = get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
    check(offsets.get(zero).offset() == 5 && !offsets.containsKey(one), offsets);
    get(admin.deleteConsumerGroups(List.of(group)).all());
    check(get(admin.listGroups().all()).stream().noneMatch(g -> g.groupId().equals(group)), "deleted");
    fails(admin.describeConsumerGroups(List.of(group)).all(), GroupIdNotFoundException.class);
  }

  private void shares() throws Exception {
    String group = "admin-share";
    TopicPartition zero = new TopicPartition(ONE, 0);
    try (KafkaShareConsumer<String, String> member = new KafkaShareConsumer<>(consumer(group))) {
      member.subscribe(List.of(ONE));
      long deadline = System.currentTimeMillis() + 60_000;
      while (true) {
        member.poll(java.time.Duration.ofMillis(100));
        ShareGroupDescription said;
        try {
          said = get(admin.describeShareGroups(List.of(group)).all()).get(group);
        } catch (ExecutionException notYet) {
          check(notYet.getCause() instanceof GroupIdNotFoundException, notYet.getCause());
          continue;
        }
        if (said.members().size() == 1 && said.members().iterator().next().assignment().topicPartitions().size() == 4) {
          break;
        }
        check(System.currentTimeMillis() < deadline, said);
      }
    }
    get(admin.alterShareGroupOffsets(group, Map.of(zero, 5L)).all());
    var offsets = get(admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec())).partitionsToOffsetAndMetadata(group));
    check(offsets.get(zero) != null && offsets.get(zero).offset() == 5, offsets);
    get(admin.deleteShareGroupOffsets(group, Set.of(ONE)).all());
    get(admin.deleteShareGroups(List.of(group)).all());
    fails(admin.describeShareGroups(List.of(group)).all(), GroupIdNotFoundException.class);
  }

  private void transactions() throws Exception {
    TopicPartition one = new TopicPartition(ONE, 1);
    try (KafkaProducer<String, String> fenced = producer("admin-fenced")) {
      fenced.initTransactions();
      fenced.beginTransaction();
      fenced.send(new ProducerRecord<>(ONE, 1, "k", "open")).get();
      TransactionDescription said = get(admin.describeTransactions(List.of("admin-fenced")).description("admin-fenced"));
      check(said.state() == TransactionState.ONGOING && said.topicPartitions().contains(one), said);
      check(get(admin.listTransactions().all()).stream().anyMatch(t -> t.transactionalId().equals("admin-fenced")), "listed");
      ProducerState state = null;
      for (ProducerState each : get(admin.describeProducers(List.of(one)).partitionResult(one)).activeProducers()) {
        state = each.producerId() == said.producerId() ? each : state;
      }
      check(state != null && state.currentTransactionStartOffset().orElse(-1) == 0, state);
      get(admin.fenceProducers(List.of("admin-fenced")).all());
      try {
        fenced.commitTransaction();
        throw new AssertionError("a fenced producer has committed");
      } catch (ProducerFencedException | InvalidProducerEpochException expected) {
        // That is what fencing is.
      }
    }
    try (KafkaProducer<String, String> left = producer("admin-left")) {
      left.initTransactions();
      left.beginTransaction();
      left.send(new ProducerRecord<>(TWO, 0, "k", "open")).get();
      TopicPartition two = new TopicPartition(TWO, 0);
      ProducerState state = get(admin.describeProducers(List.of(two)).partitionResult(two)).activeProducers().get(0);
      AbortTransactionSpec spec = new AbortTransactionSpec(two, state.producerId(), (short) state.producerEpoch(), state.coordinatorEpoch().orElse(0));
      get(admin.abortTransaction(spec).all());
      state = get(admin.describeProducers(List.of(two)).partitionResult(two)).activeProducers().get(0);
      check(state.currentTransactionStartOffset().isEmpty(), state);
    }
    fails(admin.describeTransactions(List.of("none")).description("none"), TransactionalIdNotFoundException.class);
  }

  private void replicas() throws Exception {
    TopicPartition zero = new TopicPartition(ONE, 0);
    var elected = get(admin.electLeaders(ElectionType.PREFERRED, Set.of(zero)).partitions());
    check(elected.get(zero).orElse(null) instanceof ElectionNotNeededException, elected);
    check(get(admin.electLeaders(ElectionType.PREFERRED, null).partitions()).isEmpty(), "all have their leaders");
    check(get(admin.listPartitionReassignments().reassignments()).isEmpty(), "none is under way");
    get(admin.alterPartitionReassignments(Map.of(zero, Optional.of(new NewPartitionReassignment(List.of(broker))))).all());
    fails(admin.alterPartitionReassignments(Map.of(zero, Optional.empty())).all(), NoReassignmentInProgressException.class);
    fails(admin.alterPartitionReassignments(Map.of(zero, Optional.of(new NewPartitionReassignment(List.of(broker + 7))))).all(), InvalidReplicaAssignmentException.class);
  }

  /** What is not advertised fails in the client, without harm to the connection. */
  private void unserved() throws Exception {
    List<String> names = new ArrayList<>();
    Class<UnsupportedVersionException> unserved = UnsupportedVersionException.class;
    fails(admin.describeAcls(AclBindingFilter.ANY).values(), unserved);
    names.add("DescribeAcls");
    fails(admin.describeDelegationToken().delegationTokens(), unserved);
    names.add("DescribeDelegationToken");
    ClientQuotaEntity client = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, "c"));
    ClientQuotaAlteration quota = new ClientQuotaAlteration(client, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e6)));
    fails(admin.alterClientQuotas(List.of(quota)).all(), unserved);
    names.add("AlterClientQuotas");
    FeatureUpdate level = new FeatureUpdate((short) 2, FeatureUpdate.UpgradeType.UPGRADE);
    fails(admin.updateFeatures(Map.of("transaction.version", level), new UpdateFeaturesOptions()).all(), unserved);
    names.add("UpdateFeatures");
    fails(admin.unregisterBroker(99).all(), unserved);
    names.add("UnregisterBroker");
    System.out.println("not served: " + names);
  }

  private void deletions() throws Exception {
    Uuid id = get(admin.describeTopics(List.of(TWO)).allTopicNames()).get(TWO).topicId();
    get(admin.deleteTopics(List.of(ONE)).all());
    get(admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all());
    fails(admin.deleteTopics(List.of(ONE)).all(), UnknownTopicOrPartitionException.class);
    check(!get(admin.listTopics().names()).contains(TWO), "deleted");
  }
}
