package demand

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseSource(t *testing.T) {
	for text, want := range map[string]Target{
		"amqp://h?queue=q": {Kind: KindAMQP, Host: "h", Port: "5672", User: "guest", Password: "guest", AMQPTarget: AMQPTarget{Vhost: "/", Queue: "q"}},
		"amqp://u:p%2F%40@H.example:1/v%2Fw?queue=a.b": {
			Kind: KindAMQP, Host: "h.example", Port: "1", User: "u", Password: "p/@", AMQPTarget: AMQPTarget{Vhost: "v/w", Queue: "a.b"},
		},
		"amqps://u:p@[::1]/%2F?queue=q": {Kind: KindAMQP, TLS: true, Host: "::1", Port: "5671", User: "u", Password: "p", AMQPTarget: AMQPTarget{Vhost: "/", Queue: "q"}},
		"rabbitmq+http://u:p@h:80/v?queue=q": {
			Kind: KindRabbitMQ, Host: "h", Port: "80", User: "u", Password: "p", AMQPTarget: AMQPTarget{Vhost: "v", Queue: "q"},
		},
		"rabbitmq+https://h?queue=q": {
			Kind: KindRabbitMQ, TLS: true, Host: "h", Port: "15671", User: "guest", Password: "guest", AMQPTarget: AMQPTarget{Vhost: "/", Queue: "q"},
		},
		"redis://h?list=celery": {Kind: KindRedis, Host: "h", Port: "6379", RedisTarget: RedisTarget{List: "celery"}},
		"rediss://:p@h:7/3?stream=s&group=g": {
			Kind: KindRedis, TLS: true, Host: "h", Port: "7", Password: "p", RedisTarget: RedisTarget{Database: 3, Stream: "s", Group: "g"},
		},
		"prometheus+http://h:9090?query=sum(a)%2B1": {Kind: KindPrometheus, Host: "h", Port: "9090", WebTarget: WebTarget{Query: "sum(a)+1"}},
		"prometheus+https://u:p@h/base/?query=a{b=\"c\"}&dedup=true": {
			Kind: KindPrometheus, TLS: true, Host: "h", Port: "443", User: "u", Password: "p", WebTarget: WebTarget{Path: "/base", Query: `a{b="c"}`, Params: "dedup=true"},
		},
		"http+json://h?value=queued.total": {Kind: KindJSON, Host: "h", Port: "80", WebTarget: WebTarget{Path: "/", Value: "queued.total"}},
		"https+json://h/p%2Fq?token=t&value=a.0&b=1": {
			Kind: KindJSON, TLS: true, Host: "h", Port: "443", WebTarget: WebTarget{Path: "/p%2Fq", Value: "a.0", Params: "b=1&token=t"},
		},
	} {
		t.Run(text, func(t *testing.T) {
			s, err := ParseSource(text)
			require.NoError(t, err)
			require.Equal(t, want, s.Reveal())
			require.False(t, s.IsZero())
		})
	}
}

// Labels that mean the same place are one source; a difference that matters to the server makes another.
func TestSourcesAreCompared(t *testing.T) {
	for _, same := range [][]string{
		{"amqp://h?queue=q", "AMQP://H:5672/?queue=q", "amqp://guest:guest@h/%2F?queue=q", "amqp://h//?queue=%71", "amqp://h:05672?queue=q"},
		{"redis://h?list=l", "redis://h:6379/0?list=l", "redis://h/?list=l", "redis://h/00?list=l"},
		{"redis://h?stream=s&group=g", "redis://h/0?group=g&stream=s"},
		{"prometheus+http://h?query=a", "prometheus+http://h:80/?query=a", "prometheus+http://h/api/v1/query?query=a"},
		{"http+json://h?value=v&a=1&b=2", "http+json://h:80/?b=2&value=v&a=1"},
	} {
		first, err := ParseSource(same[0])
		require.NoError(t, err)
		for _, text := range same[1:] {
			s, err := ParseSource(text)
			require.NoError(t, err)
			if s != first {
				t.Fatalf("%s is not %s", text, same[0])
			}
		}
	}
	seen := map[Source]string{}
	for _, text := range []string{
		"amqp://h?queue=q", "amqp://h?queue=r", "amqps://h?queue=q", "amqp://i?queue=q", "amqp://h:1?queue=q", "amqp://h/v?queue=q", "amqp://u:p@h?queue=q",
		"amqp://u:q@h?queue=q", "rabbitmq+http://h?queue=q", "redis://h?list=q", "redis://h/1?list=q", "redis://h?stream=q&group=g", "redis://h?stream=q&group=q",
		"prometheus+http://h?query=q", "prometheus+http://h/b?query=q", "http+json://h?value=q", "http+json://h?value=q&token=1", "http+json://h?value=q&token=2",
	} {
		s, err := ParseSource(text)
		require.NoError(t, err)
		require.NotContains(t, seen, s, text)
		seen[s] = text
	}
}

func TestParseSourceSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"tasks":                                        "not a URL; write one such as amqp://user:password@host/vhost?queue=name",
		"kafka://h":                                    "not a supported kind of source; begin it with one of amqp, ",
		"http://h/x":                                   "begin it with http+json://, prometheus+http:// or rabbitmq+http://",
		"rabbitmq://h":                                 "begin it with amqp:// for AMQP, or with rabbitmq+http://",
		"prometheus://h":                               "begin it with prometheus+http://",
		"json+https://h":                               "begin it with http+json:// or https+json://",
		"amqp://h":                                     "queue= is missing, so it is not clear which queue; write amqp://user:password@host/vhost?queue=name",
		"amqp://h?queue=":                              "queue= is empty",
		"amqp://h?queue=a&queue=b":                     "queue= is there twice",
		"amqp://h?queue=a&heartbeat=":                  "heartbeat= is not one of queue",
		"amqp://?queue=a":                              "no host",
		"amqp://::1?queue=a":                           "the host is neither a name nor an IP address; an IPv6 address is in brackets",
		"amqp://h%20i?queue=a":                         "cannot be read as a URL",
		"amqp://h(i)?queue=a":                          "the host is neither a name nor an IP address",
		"amqp://h:0?queue=a":                           "the port is not a number from 1 to 65535",
		"amqp://h:x?queue=a":                           "cannot be read as a URL",
		"amqp://u:p#@h?queue=a":                        "cannot be read as a URL",
		"amqp://u:1/2@h/v?queue=a":                     "an @ after the host; in a password write / as %2F",
		"amqp://h/v?queue=a#b":                         "write it as %23",
		"amqp://h/v?queue=a;b":                         "cannot be read; write % as %25 and ; as %3B",
		"redis://h":                                    "neither list= nor stream=; write redis://host:6379/0?list=name, or ?stream=name&group=name",
		"redis://h?list=a&stream=b":                    "list= and stream= exclude each other",
		"redis://h?stream=b":                           "stream= and group= belong together",
		"redis://h?group=b":                            "stream= and group= belong together",
		"redis://h/x?list=a":                           "the path is the number of a database, such as /0",
		"prometheus+http://h:9090":                     "query= is missing",
		"http+json://h/p":                              "value= is missing",
		"http+json://h/p?value=a..b":                   "value= has an empty part",
		"amqp:///u:p@h?queue=a":                        "an @ after the host",
		"amqp://" + strings.Repeat("h", longestSource): "longer than 4096 characters",
	} {
		t.Run(text, func(t *testing.T) {
			s, err := ParseSource(text)
			require.ErrorContains(t, err, want)
			require.True(t, s.IsZero())
		})
	}
}

func TestLongestSource(t *testing.T) {
	text := "redis://h?list=" + strings.Repeat("l", longestSource-len("redis://h?list="))
	_, err := ParseSource(text)
	require.NoError(t, err)
	_, err = ParseSource(text + "l")
	require.ErrorContains(t, err, "longer than 4096 characters")
}

func TestSourceIsShownWithoutSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"amqp://user:hunter2@h/vhost?queue=q":                          "amqp://***@h/vhost?queue=q",
		"amqp://h:5673?queue=a%26b":                                    "amqp://h:5673/?queue=a%26b",
		"amqps://u@[::1]:5671/?queue=q":                                "amqps://***@[::1]/?queue=q",
		"rabbitmq+http://u:hunter2@h:15672/v?queue=q":                  "rabbitmq+http://***@h/v?queue=q",
		"redis://:hunter2@h/2?stream=s&group=g":                        "redis://***@h/2?stream=s&group=g",
		"prometheus+http://h:9090/b?query=sum(a{b=\"c\"})&key=hunter2": "prometheus+http://h:9090/b?query=sum(a{b=\"c\"})",
		"prometheus+http://h?query=a%20~%20b%25c":                      "prometheus+http://h?query=a%20~%20b%25c",
		"https+json://h/p?token=hunter2&value=a.b&password=hunter2":    "https+json://h/p?value=a.b",
	} {
		t.Run(text, func(t *testing.T) {
			s, err := ParseSource(text)
			require.NoError(t, err)
			require.Equal(t, want, s.String())
			again, err := ParseSource(strings.Replace(s.String(), "***@", "", 1))
			require.NoError(t, err, "what is shown can be read")
			require.Equal(t, asked(s), asked(again))
		})
	}
	require.Empty(t, Source{}.String())
}

// printed returns a source in all formats that may reach a log or an answer.
func printed(t *testing.T, s Source) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"s": s, "p": &s, "all": []Source{s}, "t": s.Reveal()})
	require.NoError(t, err)
	return fmt.Sprintf("%v %+v %#v %s %q %v %v %+v %#v %s", s, s, s, s, s, &s, []Source{s}, struct{ S Source }{s}, s.Reveal(), text)
}

// odd returns passwords that end a part of a URL, or that are escaped within one.
func odd() []string {
	return []string{"hunter2", "hun/ter2", "hun@ter2", "hun:ter2", "hun?ter2", "hun#ter2", "hun%ter2", "hun&ter2", "hun+ter2", "hün ter2", "%68unter2", `hun"ter2`, "12/34", "1?2", "1#2@"}
}

func TestSourcesHideSecrets(t *testing.T) {
	for name, s := range schemes() {
		for _, password := range odd() {
			rest := "h.example/0?" + map[Kind]string{KindAMQP: "queue=q", KindRabbitMQ: "queue=q", KindRedis: "list=q", KindPrometheus: "query=q", KindJSON: "value=q"}[s.kind]
			for _, written := range []string{password, url.QueryEscape(password), url.PathEscape(password), url.UserPassword("u", password).String()[2:]} {
				for _, text := range []string{
					name + "://u:" + written + "@" + rest, name + "://" + written + "@" + rest, name + "://u:" + written + "@" + rest + "&" + written,
					name + ":/u:" + written + "@" + rest, "u:" + written + "@" + rest, name + "://u:" + written + "@h:port" + rest,
				} {
					output := ""
					if s, err := ParseSource(text); err == nil {
						output = printed(t, s)
					} else {
						output = err.Error()
					}
					if _, err := Resolve(text, nil); err != nil {
						output += err.Error()
					}
					for _, secret := range []string{password, written, "unter2", "ter2", "34@", "2@"} {
						require.NotContains(t, output, secret, text)
					}
				}
			}
		}
	}
}

func TestResolve(t *testing.T) {
	a, b := must(t, "amqp://a?queue=q"), must(t, "redis://b?list=l")
	named := map[string][]Source{"tasks": {a}, "both_of_them": {a, b}}
	for label, want := range map[string][]Source{
		"tasks":                           {a},
		" TASKS ":                         {a},
		"both-of.them":                    {a, b},
		"tasks redis://b?list=l":          {a, b},
		"amqp://a?queue=q tasks":          {a},
		"redis://b?list=l\n both-of_them": {b, a},
	} {
		got, err := Resolve(label, named)
		require.NoError(t, err, label)
		require.Equal(t, want, got, label)
	}
	for label, want := range map[string]string{
		"":                    "no source; write a URL, or the name of a source",
		"my-tasks":            `no source is called "my_tasks"; set STOKER_DEMAND_MY_TASKS or STOKER_DEMAND_MY_TASKS_FILE of Stoker to its URL`,
		"tasks nothing":       `source 2 of 2: no source is called "nothing"`,
		"tasks amqp://h":      "source 2 of 2: queue= is missing",
		"u:hunter2@h":         "neither a URL nor the name of a source",
		"amqp:/u:hunter2@h/v": "neither a URL nor the name of a source",
	} {
		_, err := Resolve(label, named)
		require.ErrorContains(t, err, want, label)
	}
}

func TestShown(t *testing.T) {
	for label, want := range map[string]string{
		"": "", " tasks  My-Tasks ": "tasks My-Tasks", "amqp://u:hunter2@h?queue=q tasks": "amqp://***@h/?queue=q tasks",
		"amqp://u:1 hunter2 x@h?queue=q": "…", "u:hunter2@h": "…", "tasks amqp://u:hunter2@h": "…",
	} {
		require.Equal(t, want, Shown(label), label)
	}
}

func TestParseSources(t *testing.T) {
	got, err := ParseSources("amqp://a?queue=q\nredis://b?list=l amqp://a:5672?queue=q")
	require.NoError(t, err)
	require.Equal(t, []Source{must(t, "amqp://a?queue=q"), must(t, "redis://b?list=l")}, got)
	_, err = ParseSources("amqp://a?queue=q tasks")
	require.ErrorContains(t, err, "source 2 of 2: not a URL")
	_, err = ParseSources(" ")
	require.ErrorContains(t, err, "no URL")
}

func must(t *testing.T, text string) Source {
	t.Helper()
	s, err := ParseSource(text)
	require.NoError(t, err)
	return s
}

func FuzzParseSource(f *testing.F) {
	for name, s := range schemes() {
		f.Add(name + "://u:p@h:1/v?queue=q&value=v&query=q&list=l")
		f.Add(s.example)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseSource(text)
		if err != nil {
			return
		}
		require.False(t, s.IsZero())
		require.NotContains(t, s.String(), " ", "a source contains no space")
		again, err := ParseSource(strings.Replace(s.String(), "***@", "", 1))
		require.NoError(t, err, s.String())
		require.Equal(t, asked(s), asked(again))
		require.Equal(t, s.String(), strings.Replace(again.String(), "://", map[bool]string{true: "://***@", false: "://"}[strings.Contains(s.String(), "***@")], 1))
	})
}

// asked returns what is sent to the server.
func asked(s Source) []string {
	t := s.Reveal()
	return []string{t.Queue, t.List, t.Stream, t.Group, t.Query, t.Value}
}
