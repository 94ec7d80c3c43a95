package queue_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/queue"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]queue.Spec{
		"amqp://u:se%2Fcret@host/v?queue=q":          {Kind: queue.AMQP, Host: "host:5672", User: "u", Password: "se/cret", Vhost: "v", Name: "q"},
		"amqp://host?queue=q":                        {Kind: queue.AMQP, Host: "host:5672", User: "guest", Password: "guest", Vhost: "/", Name: "q"},
		"amqp://host/?queue=q":                       {Kind: queue.AMQP, Host: "host:5672", User: "guest", Password: "guest", Vhost: "/", Name: "q"},
		"amqp://host/%2F?queue=q":                    {Kind: queue.AMQP, Host: "host:5672", User: "guest", Password: "guest", Vhost: "/", Name: "q"},
		"amqps://u:p@[::1]/a?queue=q%20r":            {Kind: queue.AMQP, TLS: true, Host: "[::1]:5671", User: "u", Password: "p", Vhost: "a", Name: "q r"},
		"redis://host?list=q":                        {Kind: queue.Redis, Host: "host:6379", Name: "q"},
		"redis://:p@host:1/15?list=q":                {Kind: queue.Redis, Host: "host:1", Password: "p", Database: 15, Name: "q"},
		"rediss://u:p@host/0?list=celery":            {Kind: queue.Redis, TLS: true, Host: "host:6379", User: "u", Password: "p", Name: "celery"},
		"redis://h?list=" + strings.Repeat("x", 247): {Kind: queue.Redis, Host: "h:6379", Name: strings.Repeat("x", 247)},
	} {
		t.Run(text, func(t *testing.T) {
			spec, err := queue.Parse(text)
			require.NoError(t, err)
			require.Equal(t, want, spec)
			if spec.Password != "" && spec.Password != "p" {
				require.NotContains(t, spec.String(), spec.Password)
			}
		})
	}
}

func TestWhatIsNoQueue(t *testing.T) {
	for _, text := range []string{
		"", "tasks", "http://u:secret@h?queue=q", "amqp:u:secret", "amqp://u:secret@h", "amqp://u:secret@h?list=q", "amqp://u:secret@?queue=q",
		"amqp://u:secret@h?queue=", "amqp://u:secret@h?queue=a&queue=b", "amqp://u:secret@h?queue=q&x=1", "amqp://u:secret@h?queue=%zz",
		"amqp://u:secret/@h?queue=q", "amqp://u:secret%zz@h?queue=q", "amqp://u:secret@h:port?queue=q", "redis://u:secret@h/x?list=q",
		"redis://u:secret@h/-1?list=q", "redis://u:secret@h/0?queue=q", "redis://h?list=" + strings.Repeat("x", 248),
	} {
		t.Run(text, func(t *testing.T) {
			_, err := queue.Parse(text)
			require.Error(t, err)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestTheNameOfAQueueHasNoSecret(t *testing.T) {
	spec, err := queue.Parse("amqp://user:secret@host:5672/v?queue=tasks")
	require.NoError(t, err)
	require.Equal(t, `amqp queue "tasks" at host:5672`, spec.String())
	require.Equal(t, "tasks.results", spec.Results())
}
