package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// member reads as a member of a classic group until SIGTERM, and prints a line a record, before it
// is committed.
func member(bootstrap, topic, group, protocol string) error {
	balancer := kgo.GroupBalancer(kgo.RangeBalancer())
	if protocol == "cooperative-sticky" {
		balancer = kgo.CooperativeStickyBalancer()
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumerGroup(group),
		kgo.ConsumeTopics(topic),
		kgo.Balancers(balancer),
		kgo.SessionTimeout(10*time.Second),
		kgo.HeartbeatInterval(time.Second),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	for ctx.Err() == nil {
		fetches := client.PollRecords(ctx, 50)
		for _, record := range fetches.Records() {
			fmt.Println(string(record.Value))
			// If this fails, the record is read again, by this member or another.
			if client.CommitRecords(context.Background(), record) != nil {
				break
			}
		}
		client.AllowRebalance()
	}
	client.CloseAllowingRebalance()
	return nil
}
