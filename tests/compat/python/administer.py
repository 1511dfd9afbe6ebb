"""librdkafka's admin client, call by call: administer.py BOOTSTRAP."""

import sys

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    ElectionType,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

TOPIC = "admin-rdkafka"
GROUP = "admin-rdkafka-group"


def only(futures):
    (future,) = futures.values()
    return future.result(30)


def fails(futures, code):
    try:
        said = only(futures)
    except KafkaException as error:
        assert error.args[0].code() == code, error
        return
    raise AssertionError(f"no error {code} but {said}")


def topics(admin):
    new = NewTopic(TOPIC, 2, 1, config={"retention.ms": "7200000"})
    only(admin.create_topics([new], validate_only=True))
    only(admin.create_topics([new]))
    fails(admin.create_topics([new]), KafkaError.TOPIC_ALREADY_EXISTS)
    only(admin.create_partitions([NewPartitions(TOPIC, 3)]))
    said = only(admin.describe_topics(TopicCollection([TOPIC])))
    assert len(said.partitions) == 3 and said.partitions[0].leader is not None, said
    assert TOPIC in admin.list_topics().topics


def configs(admin):
    entry = ConfigEntry("retention.ms", "3600000", incremental_operation=AlterConfigOpType.SET)
    changed = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[entry])
    only(admin.incremental_alter_configs([changed]))
    said = only(admin.describe_configs([ConfigResource(ResourceType.TOPIC, TOPIC)]))
    assert said["retention.ms"].value == "3600000", said["retention.ms"]
    assert not said["retention.ms"].is_default and said["segment.bytes"].is_default


def cluster(admin):
    said = admin.describe_cluster(include_authorized_operations=True).result(30)
    assert len(said.nodes) == 1 and said.cluster_id and said.authorized_operations, said
    assert admin.describe_user_scram_credentials().result(30) == {}
    fails(admin.describe_user_scram_credentials(["u"]), KafkaError.RESOURCE_NOT_FOUND)
    place = TopicPartition(TOPIC, 0)
    elected = admin.elect_leaders(ElectionType.PREFERRED, [place]).result(30)
    assert elected[place].code() == KafkaError.ELECTION_NOT_NEEDED, elected


def records(admin, bootstrap):
    producer = Producer({"bootstrap.servers": bootstrap})
    for number in range(10):
        producer.produce(TOPIC, f"v{number}", partition=0)
    assert producer.flush(30) == 0
    place = TopicPartition(TOPIC, 0)
    for spec, offset in [(OffsetSpec.latest(), 10), (OffsetSpec.earliest(), 0)]:
        level = IsolationLevel.READ_COMMITTED
        said = only(admin.list_offsets({place: spec}, isolation_level=level))
        assert said.offset == offset, said
    said = only(admin.delete_records([TopicPartition(TOPIC, 0, 4)]))
    assert said.low_watermark == 4, said
    assert only(admin.list_offsets({place: OffsetSpec.earliest()})).offset == 4


def groups(admin):
    places = ConsumerGroupTopicPartitions(GROUP, [TopicPartition(TOPIC, 0, 7)])
    only(admin.alter_consumer_group_offsets([places]))
    said = only(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(GROUP)]))
    assert [(p.partition, p.offset) for p in said.topic_partitions] == [(0, 7)], said
    listed = admin.list_consumer_groups().result(30)
    assert GROUP in [group.group_id for group in listed.valid] and not listed.errors, listed
    assert only(admin.describe_consumer_groups([GROUP])).members == []
    only(admin.delete_consumer_groups([GROUP]))
    fails(admin.delete_consumer_groups([GROUP]), KafkaError.GROUP_ID_NOT_FOUND)


def main(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    topics(admin)
    configs(admin)
    cluster(admin)
    records(admin, bootstrap)
    groups(admin)
    only(admin.delete_topics([TOPIC]))
    fails(admin.delete_topics([TOPIC]), KafkaError.UNKNOWN_TOPIC_OR_PART)
    print("administered")


if __name__ == "__main__":
    main(*sys.argv[1:])
