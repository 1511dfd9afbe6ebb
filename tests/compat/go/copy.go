package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// transactionalCopy copies records in transactions until it is killed: each poll is one, with the
// offsets that it read.
func transactionalCopy(bootstrap, from, to, group, id string) error {
	for {
		err := copySession(bootstrap, from, to, group, id)
		// Whatever it was: begin again from the committed offsets, under a higher epoch.
		fmt.Println("again", err)
		time.Sleep(200 * time.Millisecond)
	}
}

func copySession(bootstrap, from, to, group, id string) error {
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(bootstrap),
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(10*time.Second),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(from),
		kgo.Balancers(kgo.RangeBalancer()),
		kgo.SessionTimeout(10*time.Second),
		kgo.HeartbeatInterval(time.Second),
		kgo.RequireStableFetchOffsets(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	)
	if err != nil {
		return err
	}
	defer session.Close()
	ctx := context.Background()
	for {
		fetches := session.PollRecords(ctx, 40)
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := session.Begin(); err != nil {
			return err
		}
		promise := kgo.AbortingFirstErrPromise(session.Client())
		for _, record := range fetches.Records() {
			copied := &kgo.Record{Topic: to, Partition: record.Partition, Value: record.Value}
			session.Produce(ctx, copied, promise.Promise())
		}
		commit := promise.Err() == nil
		committed, err := session.End(ctx, kgo.TransactionEndTry(commit))
		if err != nil {
			return err
		}
		if committed {
			fmt.Println("copied", fetches.NumRecords())
		}
	}
}
