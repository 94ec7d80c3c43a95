package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"slices"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/broker"
	"stoker/workerimage/internal/queue"
	"stoker/workerimage/internal/test/servers"
)

// bench is a test's own queue on a shared server.
type bench struct {
	*testing.T
	spec queue.Spec
}

func newBench(t *testing.T, server *servers.Server) bench {
	t.Helper()
	spec, err := queue.Parse(server.URL + url.QueryEscape(path.Base(t.Name())))
	require.NoError(t, err)
	return bench{T: t, spec: spec}
}

func (b bench) consumer(name string, lease time.Duration) broker.Consumer {
	b.Helper()
	c := broker.NewConsumer(b.spec, name, lease)
	require.NoError(b, c.Connect(b.Context()))
	b.Cleanup(func() { _ = c.Leave(context.Background()) }) // it may have left already
	return c
}

func (b bench) client() broker.Client {
	b.Helper()
	c := broker.NewClient(b.spec)
	require.NoError(b, c.Connect(b.Context()))
	b.Cleanup(func() { _ = c.Clear(context.Background(), nil) }) // it may have ended already
	return c
}

func (b bench) put(bodies ...string) {
	b.Helper()
	messages := make([]queue.Message, len(bodies))
	for at, body := range bodies {
		messages[at] = queue.Message{ID: body, Body: []byte(body)}
	}
	require.NoError(b, b.client().Put(b.Context(), messages))
}

// take waits for a task.
func (b bench) take(c broker.Consumer) queue.Task {
	b.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		task, err := c.Take(b.Context())
		if errors.Is(err, queue.ErrNone) {
			continue
		}
		require.NoError(b, err)
		return task
	}
	require.Fail(b, "no task comes")
	return queue.Task{}
}

func (b bench) none(c broker.Consumer) {
	b.Helper()
	_, err := c.Take(b.Context())
	require.ErrorIs(b, err, queue.ErrNone)
}

func result(id, attempt string) queue.Message {
	return queue.Message{ID: id, Attempt: attempt, Body: []byte("result of " + id + " by " + attempt)}
}

func (b bench) finish(c broker.Consumer, task queue.Task, attempt string) queue.Outcome {
	b.Helper()
	outcome, err := c.Finish(b.Context(), task, result(string(task.Body), attempt))
	require.NoError(b, err)
	return outcome
}

// results returns the bodies of all results of these IDs. They stay.
func (b bench) results(ids ...string) []string {
	b.Helper()
	client := b.client()
	var bodies []string
	for range 2 { // the second time nothing new comes
		found, err := client.Collect(b.Context(), ids)
		require.NoError(b, err)
		for _, one := range found {
			bodies = append(bodies, string(one.Body))
		}
	}
	require.NoError(b, client.Clear(b.Context(), nil)) // RabbitMQ delivers them to the next consumer
	slices.Sort(bodies)
	return slices.Compact(bodies)
}

func TestBrokers(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *servers.Server{"rabbitmq": servers.Rabbit, "redis": servers.Redis} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			server.Start()
			for name, test := range map[string]func(b bench){
				"in turn": inTurn, "given back": givenBack, "a lost connection": aLostConnection, "two results": twoResults, "collected": collected,
			} {
				t.Run(name, func(t *testing.T) { test(newBench(t, server)) })
			}
			own := ofRedis
			if name == "rabbitmq" {
				own = ofRabbit
			}
			for name, test := range own() {
				t.Run(name, func(t *testing.T) { test(newBench(t, server)) })
			}
		})
	}
}

// Tasks come in the order in which they were put, one at a time.
func inTurn(b bench) {
	b.put("1", "2", "3")
	one, two := b.consumer("one", time.Minute), b.consumer("two", time.Minute)
	first, second := b.take(one), b.take(two)
	require.ElementsMatch(b, []string{"1", "2"}, []string{string(first.Body), string(second.Body)})
	require.Equal(b, queue.Stored, b.finish(one, first, "x"))
	third := b.take(one)
	require.Equal(b, "3", string(third.Body))
	require.Equal(b, queue.Stored, b.finish(one, third, "x"))
	require.Equal(b, queue.Stored, b.finish(two, second, "x"))
	b.none(one)
	b.none(two)
	require.ElementsMatch(b, []string{"result of 1 by x", "result of 2 by x", "result of 3 by x"}, b.results("1", "2", "3"))
}

// A worker that leaves returns its task at once, to the front.
func givenBack(b bench) {
	b.put("1", "2")
	one := b.consumer("one", time.Hour)
	require.Equal(b, "1", string(b.take(one).Body))
	require.NoError(b, one.Leave(b.Context()))
	two := b.consumer("two", time.Hour)
	task := b.take(two)
	require.Equal(b, "1", string(task.Body))
	require.Equal(b, b.spec.Kind == queue.AMQP, task.Again, "if the broker reports that")
}

// With RabbitMQ a task goes with its connection. With Redis it stays, and the result counts.
func aLostConnection(b bench) {
	b.put("1")
	one := b.consumer("one", time.Hour)
	task := b.take(one)
	require.NoError(b, one.Connect(b.Context()))
	if b.spec.Kind == queue.Redis {
		require.Equal(b, queue.Stored, b.finish(one, task, "x"))
		b.none(one)
		return
	}
	require.Equal(b, queue.TakenAway, b.finish(one, task, "x"))
	require.Equal(b, queue.Stored, b.finish(one, b.take(one), "y"))
	require.Equal(b, []string{"result of 1 by y"}, b.results("1"))
}

// The same task put twice has the same ID. RabbitMQ stores both results, Redis the first.
func twoResults(b bench) {
	b.put("1", "1")
	one := b.consumer("one", time.Hour)
	require.Equal(b, queue.Stored, b.finish(one, b.take(one), "x"))
	second := b.finish(one, b.take(one), "y")
	if b.spec.Kind == queue.AMQP {
		require.Equal(b, queue.Stored, second)
		require.Equal(b, []string{"result of 1 by x", "result of 1 by y"}, b.results("1"))
		return
	}
	require.Equal(b, queue.Duplicate, second)
	found, err := b.client().Collect(b.Context(), []string{"1"})
	require.NoError(b, err)
	require.Equal(b, []queue.Found{{Body: []byte("result of 1 by x"), Duplicates: 1}}, found)
}

// Results stay until they are cleared; other results stay after that, too.
func collected(b bench) {
	b.put("1", "2")
	one := b.consumer("one", time.Hour)
	b.finish(one, b.take(one), "x")
	b.finish(one, b.take(one), "x")
	require.Len(b, b.results("1", "2"), 2)
	client := b.client()
	for found := 0; found == 0; {
		some, err := client.Collect(b.Context(), []string{"1", "2"})
		require.NoError(b, err)
		found += len(some)
	}
	require.NoError(b, client.Clear(b.Context(), []string{"1"}))
	require.Equal(b, []string{"result of 2 by x"}, b.results("1", "2"))
}

func ofRedis() map[string]func(bench) {
	return map[string]func(bench){
		"the task of a dead worker": func(b bench) {
			b.put("1")
			dead, other := b.consumer("dead", 300*time.Millisecond), b.consumer("other", time.Hour)
			task := b.take(dead)
			again := b.take(other)
			require.Equal(b, task.Body, again.Body)
			require.Equal(b, queue.TakenAway, b.finish(dead, task, "late"), "it was not dead, and its result does not count")
			require.Equal(b, queue.Stored, b.finish(other, again, "x"))
			require.Equal(b, queue.TakenAway, b.finish(dead, task, "later"))
			require.Equal(b, []string{"result of 1 by x"}, b.results("1"))
		},
		"held": func(b bench) {
			b.put("1")
			slow, other := b.consumer("slow", 900*time.Millisecond), b.consumer("other", time.Hour)
			task := b.take(slow)
			for range 3 {
				require.NoError(b, slow.Hold(b.Context()))
				_, err := other.Take(b.Context()) // waits longer than the lease
				if err == nil {
					b.Skip("this machine woke the test later than the lease ends")
				}
				require.ErrorIs(b, err, queue.ErrNone)
			}
			_ = slow.Hold(b.Context())
			require.Equal(b, queue.Stored, b.finish(slow, task, "x"))
		},
		"a reply that is lost": func(b bench) {
			b.put("1")
			one := b.consumer("one", time.Hour)
			task := b.take(one)
			require.Equal(b, queue.Stored, b.finish(one, task, "x"))
			require.Equal(b, queue.Stored, b.finish(one, task, "x"), "the same result again is the same")
			require.Equal(b, queue.TakenAway, b.finish(one, task, "y"), "another one is not")
			b.none(one)
		},
		"a taken task that never arrived": func(b bench) {
			b.put("1")
			one := b.consumer("one", time.Hour)
			b.take(one)
			require.NoError(b, one.Connect(b.Context()))
			require.Equal(b, "1", string(b.take(one).Body), "a worker that requests a task has none")
		},
		"of one name": func(b bench) {
			b.put("1")
			one, two := b.consumer("same", time.Hour), b.consumer("same", time.Hour)
			b.take(one)
			b.none(two)
		},
	}
}

func ofRabbit() map[string]func(bench) {
	return map[string]func(bench){
		// The broker confirms a message for a queue that is not there. That must not count as a stored result.
		"no queue of results": func(b bench) {
			b.put("1")
			one := b.consumer("one", 0)
			task := b.take(one)
			b.raw(func(channel *amqp.Channel) error {
				_, err := channel.QueueDelete(b.spec.Results(), false, false, false)
				return err
			})
			_, err := one.Finish(b.Context(), task, result("1", "x"))
			require.Error(b, err)
			require.NoError(b, one.Connect(b.Context()), "which creates the queue again")
			require.Equal(b, queue.Stored, b.finish(one, b.take(one), "y"))
			require.Equal(b, []string{"result of 1 by y"}, b.results("1"))
		},
		"no queue of tasks": func(b bench) {
			one := b.consumer("one", 0)
			b.raw(func(channel *amqp.Channel) error {
				_, err := channel.QueueDelete(b.spec.Name, false, false, false)
				return err
			})
			_, err := one.Take(b.Context())
			require.Error(b, err)
			require.NotErrorIs(b, err, queue.ErrNone)
			require.NoError(b, one.Connect(b.Context()))
			b.none(one)
		},
		"a queue of another kind": func(b bench) {
			b.raw(func(channel *amqp.Channel) error {
				_, err := channel.QueueDeclare(b.spec.Name, true, false, false, false, amqp.Table{"x-queue-type": "quorum"})
				return err
			})
			b.put("1")
			one := b.consumer("one", 0)
			require.Equal(b, queue.Stored, b.finish(one, b.take(one), "x"))
		},
		// A message survives the broker because the queue is durable, and the message persistent.
		"what is stored": func(b bench) {
			b.put("1")
			b.raw(func(channel *amqp.Channel) error {
				if _, err := channel.QueueDeclarePassive(b.spec.Name, true, false, false, false, nil); err != nil {
					return err
				}
				message, there, err := channel.Get(b.spec.Name, false)
				require.True(b, there)
				require.Equal(b, amqp.Persistent, message.DeliveryMode)
				return err
			})
		},
	}
}

// raw calls the broker without the code under test.
func (b bench) raw(call func(channel *amqp.Channel) error) {
	b.Helper()
	conn, err := amqp.DialConfig("amqp://"+b.spec.Host, amqp.Config{
		Vhost: b.spec.Vhost, SASL: []amqp.Authentication{&amqp.PlainAuth{Username: b.spec.User, Password: b.spec.Password}},
	})
	require.NoError(b, err)
	defer conn.Close()
	channel, err := conn.Channel()
	require.NoError(b, err)
	require.NoError(b, call(channel))
}

// A wrong password, a closed port, and a server that does not answer: an error in time, without the password.
func TestNoConnection(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = silent.Close() }) // after the parallel tests
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	for _, kind := range []string{"amqp://u:secret@%s?queue=q", "redis://u:secret@%s?list=q"} {
		for _, address := range []string{silent.Addr().String(), closed.Addr().String()} {
			t.Run(kind+" "+address, func(t *testing.T) {
				t.Parallel()
				spec, err := queue.Parse(fmt.Sprintf(kind, address))
				require.NoError(t, err)
				begin := time.Now()
				consumer := broker.NewConsumer(spec, "one", time.Minute)
				err = consumer.Connect(t.Context())
				if err == nil { // the first request to Redis is for a task
					_, err = consumer.Take(t.Context())
				}
				require.Error(t, err)
				require.NotContains(t, err.Error(), "secret")
				require.Less(t, time.Since(begin), 20*time.Second)
				_, err = consumer.Take(t.Context())
				require.Error(t, err)
				require.False(t, bytes.Contains([]byte(err.Error()), []byte("secret")))
			})
		}
	}
}
