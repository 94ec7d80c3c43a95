package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/gomodule/redigo/redis"
)

const (
	// wakes is the number of messages, and pollEvery the interval at which both sides poll for one.
	wakes     = 20
	pollEvery = time.Second
	// manyGroups groups have a source each, which is polled every manyPoll.
	manyGroups = 100
	manyPoll   = 5 * time.Second
)

// queueServer is a Redis server of this run.
type queueServer struct {
	address string
	conn    redis.Conn
}

// redis starts a Redis server, from Debian's package redis-server.
func (b *bench) redis(ctx context.Context) (*queueServer, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("no redis-server here: install Debian's package redis-server")
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	server := exec.Command(program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", b.dir)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	b.procs = append(b.procs, server)
	q := &queueServer{address: address}
	return q, until(ctx, func() bool {
		q.conn, err = redis.Dial("tcp", address)
		return err == nil
	})
}

func (q *queueServer) set(list string, items int) error {
	if _, err := q.conn.Do("DEL", list); err != nil || items == 0 {
		return err
	}
	_, err := q.conn.Do("RPUSH", list, "task")
	return err
}

// createAsleep creates a container of a group with a list for its source, and does not start it.
func (b *bench) createAsleep(ctx context.Context, scope, name, url string, poll time.Duration) (string, error) {
	spec := quiet()
	labels := map[string]string{
		labelBench: b.tag, labelScope: scope, "stoker.enable": "true", "stoker.demand": url, "stoker.demand-poll": poll.String(), "stoker.cooldown": "1s", "stoker.idle-after": "off",
	}
	c, err := b.api.ContainerCreate(ctx, &container.Config{Image: b.image, Env: spec.env, Labels: labels, Healthcheck: spec.health},
		&container.HostConfig{NetworkMode: "none", Resources: container.Resources{NanoCPUs: 2e8}}, nil, nil, scope+"-"+name)
	if err != nil {
		return "", err
	}
	b.made = append(b.made, c.ID)
	return c.ID, nil
}

// demandCase measures the time from a message in an empty queue to the start of the worker. The raw side polls as often, and starts the worker.
func demandCase(ctx context.Context, b *bench) ([]row, error) {
	q, err := b.redis(ctx)
	if err != nil {
		return nil, err
	}
	defer q.conn.Close()
	defer b.remove()
	s, err := b.stoker(ctx, b.host)
	if err != nil {
		return nil, err
	}
	defer stop(s.proc)
	stoker, err := b.createAsleep(ctx, s.scope, "demand", "redis://"+q.address+"/0?list=stoker", pollEvery)
	if err != nil {
		return nil, err
	}
	raw, err := b.createAsleep(ctx, b.tag+"-none", "raw", "redis://"+q.address+"/0?list=raw", pollEvery)
	if err != nil {
		return nil, err
	}
	polling, stopPolling := context.WithCancel(ctx)
	defer stopPolling()
	go b.poll(polling, q.address, raw)
	pause(ctx, 5*time.Second)
	var took [2][]time.Duration
	for n := range wakes {
		for i, side := range []struct{ list, id string }{{"raw", raw}, {"stoker", stoker}} {
			pause(ctx, time.Duration(n)*pollEvery/wakes) // at another moment between two polls each time
			d, err := b.putAndWait(ctx, q, side.list, side.id)
			if err != nil {
				return nil, err
			}
			took[i] = append(took[i], d)
		}
	}
	return []row{{
		name: fmt.Sprintf("message put to worker started, polled every %s, median of %d", pollEvery, wakes), raw: median(took[0]), stoker: median(took[1]),
		bound: "1.05x and a poll",
	}}, nil
}

// putAndWait puts a message, waits for the start, empties the queue and waits for the exit of the worker. It returns the time to the start.
func (b *bench) putAndWait(ctx context.Context, q *queueServer, list, id string) (time.Duration, error) {
	b.log.clear()
	put := time.Now()
	if err := q.set(list, 1); err != nil {
		return 0, err
	}
	started, err := b.log.wait(ctx, "start", []string{id})
	if err != nil {
		return 0, err
	}
	if err := q.set(list, 0); err != nil {
		return 0, err
	}
	if list == "raw" {
		if err := b.api.ContainerStop(ctx, id, container.StopOptions{}); err != nil {
			return 0, err
		}
	} else if _, err := b.log.wait(ctx, "die", []string{id}); err != nil {
		return 0, err
	}
	return started[id].Sub(put), nil
}

// poll is a minimal poller: it reads the length of the list, and starts the worker if it is not empty.
func (b *bench) poll(ctx context.Context, address, id string) {
	conn, err := redis.Dial("tcp", address)
	if err != nil {
		fmt.Fprintln(os.Stderr, "raw poller:", err)
		return
	}
	defer conn.Close()
	for ctx.Err() == nil {
		if n, err := redis.Int(conn.Do("LLEN", "raw")); err == nil && n > 0 {
			_ = b.api.ContainerStart(ctx, id, container.StartOptions{})
		}
		pause(ctx, pollEvery)
	}
}

// groups measures the cost of a hundred groups that sleep, with a source each, for a minute.
func groups(ctx context.Context, b *bench) ([]row, error) {
	q, err := b.redis(ctx)
	if err != nil {
		return nil, err
	}
	defer q.conn.Close()
	defer b.remove()
	s, err := b.stoker(ctx, b.host)
	if err != nil {
		return nil, err
	}
	defer stop(s.proc)
	for n := range manyGroups {
		if _, err := b.createAsleep(ctx, s.scope, fmt.Sprintf("g%d", n), fmt.Sprintf("redis://%s/0?list=l%d", q.address, n), manyPoll); err != nil {
			return nil, err
		}
	}
	pause(ctx, 10*time.Second)
	before, err := usageOf(s.proc.Process.Pid)
	if err != nil {
		return nil, err
	}
	pause(ctx, idleTime)
	after, err := usageOf(s.proc.Process.Pid)
	if err != nil {
		return nil, err
	}
	share := float64(after.cpu-before.cpu) / float64(idleTime)
	what := fmt.Sprintf("%d groups with a source each, polled every %s", manyGroups, manyPoll)
	return []row{
		{name: what + ": share of a CPU", fact: fmt.Sprintf("%.2f %%", 100*share), bound: "1 %"},
		{name: what + ": anonymous memory", fact: fmt.Sprintf("%.1f MiB", float64(after.own)/(1<<20)), bound: "8 MiB more than idle workers"},
	}, nil
}
