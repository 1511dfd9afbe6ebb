// Command compat produces the records of a case file, or prints a partition's records, with
// franz-go. The formats are those of the Java program beside it.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func main() {
	var err error
	switch a := os.Args[1:]; a[0] {
	case "produce":
		err = produce(a[1], a[2], a[3], a[4], a[5], a[6])
	case "consume":
		err = consume(a[1], a[2], a[3], a[4], a[5])
	case "member":
		err = member(a[1], a[2], a[3], a[4])
	case "copy":
		err = transactionalCopy(a[1], a[2], a[3], a[4], a[5])
	default:
		err = fmt.Errorf("produce, consume, member or copy, not %s", a[0])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func decode(field string) ([]byte, error) {
	if field == "-" {
		return nil, nil
	}
	bytes, err := base64.StdEncoding.DecodeString(field)
	if bytes == nil {
		bytes = []byte{}
	}
	return bytes, err
}

func encode(bytes []byte) string {
	if bytes == nil {
		return "-"
	}
	return base64.StdEncoding.EncodeToString(bytes)
}

func codecs(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func produce(bootstrap, topic, cases, acks, codec, idempotent string) error {
	opts := []kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codecs(codec)),
		// What a topic takes by default: a batch of 1 MiB holds that one record.
		kgo.ProducerBatchMaxBytes(1_048_588),
		kgo.ProducerLinger(20 * time.Millisecond),
	}
	if idempotent != "true" {
		opts = append(opts, kgo.DisableIdempotentWrite())
		switch acks {
		case "0":
			opts = append(opts, kgo.RequiredAcks(kgo.NoAck()))
		case "1":
			opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()))
		}
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return err
	}
	defer client.Close()
	file, err := os.Open(cases)
	if err != nil {
		return err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(make([]byte, 4<<20), 4<<20)
	var records []*kgo.Record
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		partition, _ := strconv.Atoi(f[0])
		millis, _ := strconv.ParseInt(f[1], 10, 64)
		record := &kgo.Record{Topic: topic, Partition: int32(partition), Timestamp: time.UnixMilli(millis)}
		if record.Key, err = decode(f[2]); err != nil {
			return err
		}
		if record.Value, err = decode(f[3]); err != nil {
			return err
		}
		if f[4] != "-" {
			for _, header := range strings.Split(f[4], ",") {
				name, value, _ := strings.Cut(header, "=")
				bytes, err := decode(value)
				if err != nil {
					return err
				}
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: bytes})
			}
		}
		records = append(records, record)
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		return err
	}
	fmt.Println("produced", len(records))
	return nil
}

// end prints the offset after the last record.
func end(bootstrap, topic string, partition int32) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap))
	if err != nil {
		return err
	}
	defer client.Close()
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Partition = partition
	part.Timestamp = -1
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic = topic
	asked.Partitions = append(asked.Partitions, part)
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID = -1
	request.Topics = append(request.Topics, asked)
	response, err := request.RequestWith(context.Background(), client)
	if err != nil {
		return err
	}
	fmt.Println("end", response.Topics[0].Partitions[0].Offset)
	return nil
}

func consume(bootstrap, topic, part, from, count string) error {
	partition, _ := strconv.Atoi(part)
	wanted, _ := strconv.Atoi(count)
	offset := kgo.NewOffset()
	switch {
	case from == "start":
		offset = offset.AtStart()
	case from == "end":
		return end(bootstrap, topic, int32(partition))
	case strings.HasPrefix(from, "@"):
		millis, _ := strconv.ParseInt(from[1:], 10, 64)
		offset = offset.AfterMilli(millis)
	default:
		at, _ := strconv.ParseInt(from, 10, 64)
		offset = offset.At(at)
	}
	assigned := map[string]map[int32]kgo.Offset{topic: {int32(partition): offset}}
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.ConsumePartitions(assigned), kgo.FetchMaxWait(500*time.Millisecond))
	if err != nil {
		return err
	}
	defer client.Close()
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	for wanted > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if wanted <= 0 {
				return
			}
			wanted--
			headers := make([]string, 0, len(r.Headers))
			for _, h := range r.Headers {
				headers = append(headers, h.Key+"="+encode(h.Value))
			}
			text := strings.Join(headers, ",")
			if text == "" {
				text = "-"
			}
			fmt.Fprintf(out, "%d\t%d\t%d\t%s\t%s\t%s\n", r.Partition, r.Offset, r.Timestamp.UnixMilli(), encode(r.Key), encode(r.Value), text)
		})
	}
	return nil
}
