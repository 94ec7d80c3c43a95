package demand

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Source is a place that reports how much work there is. Sources are compared with ==: labels that mean the same place give equal Sources,
// whatever their spelling. User and password are part of it.
//
// A Source prints without its secrets, in every format of fmt and as JSON. Two that differ only in a secret print the same text.
type Source struct{ target Target }

// Kind is the protocol and query of a source.
type Kind uint8

// The kinds of source.
const (
	KindNone       Kind = iota
	KindAMQP            // messages of a queue, over AMQP 0-9-1
	KindRabbitMQ        // messages of a queue, over the management API of RabbitMQ
	KindRedis           // items of a list, or of a stream for a group of its consumers
	KindPrometheus      // the result of a query
	KindJSON            // a number in an answer over HTTP
)

// Target is what is needed to query a source, in clear text. Equal sources have equal Targets.
type Target struct {
	Kind           Kind
	TLS            bool
	Host           string // name or IP address, without brackets
	Port           string
	User, Password string
	AMQPTarget
	RedisTarget
	WebTarget
}

// AMQPTarget is what AMQP and RabbitMQ need besides the server.
type AMQPTarget struct{ Vhost, Queue string }

// RedisTarget is what Redis needs besides the server: either a list, or a stream with a group.
type RedisTarget struct {
	Database            int
	List, Stream, Group string
}

// WebTarget is what Prometheus and JSON need besides the server.
type WebTarget struct {
	Path   string // escaped; of Prometheus the base, without a trailing /
	Params string // other parameters for the server, encoded
	Query  string // Prometheus
	Value  string // JSON: the keys and indexes of the number, separated by dots
}

// Reveal returns the Target, including secrets. It is for the client of the source.
func (s Source) Reveal() Target { return s.target }

// IsZero reports whether s is the zero Source.
func (s Source) IsZero() bool { return s == Source{} }

// String returns the URL of the source without user, password, and query parameters for the server.
func (s Source) String() string { return s.target.String() }

// GoString returns String, for %#v.
func (s Source) GoString() string { return s.String() }

// MarshalText returns String, for JSON and logs.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the URL without secrets, as Source.String.
func (t Target) String() string {
	if t.Kind == KindNone {
		return ""
	}
	var b strings.Builder
	b.WriteString(t.Scheme() + "://")
	if t.User+t.Password != "" && t.User+":"+t.Password != rabbitDefault+":"+rabbitDefault {
		b.WriteString("***@")
	}
	b.WriteString(bracketed(t.Host))
	if t.Port != schemes()[t.Scheme()].port {
		b.WriteString(":" + t.Port)
	}
	b.WriteString(t.shownPath())
	separator := "?"
	for _, name := range own() {
		if value := *t.parameter(name); value != "" {
			b.WriteString(separator + name + "=" + readable(value))
			separator = "&"
		}
	}
	return b.String()
}

// GoString returns String, for %#v.
func (t Target) GoString() string { return t.String() }

// MarshalText returns String, for JSON and logs.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Scheme returns the scheme of the URL, such as amqps.
func (t Target) Scheme() string {
	for name, s := range schemes() {
		if s.kind == t.Kind && s.tls == t.TLS {
			return name
		}
	}
	return ""
}

// Address returns host:port, with an IPv6 address in brackets.
func (t Target) Address() string { return bracketed(t.Host) + ":" + t.Port }

// Server returns the target without the queue, list or query: sources of the same server, user and vhost or database have the same Server.
func (t Target) Server() Target {
	t.Queue, t.RedisTarget, t.WebTarget = "", RedisTarget{Database: t.Database}, WebTarget{}
	return t
}

// own returns the names of Stoker's own parameters, in display order.
func own() []string { return []string{"queue", "list", "stream", "group", "query", "value"} }

// parameter returns the field of one of own.
func (t *Target) parameter(name string) *string {
	return map[string]*string{
		"queue": &t.Queue, "list": &t.List, "stream": &t.Stream, "group": &t.Group, "query": &t.Query, "value": &t.Value,
	}[name]
}

func (t Target) shownPath() string {
	switch t.Kind {
	case KindAMQP, KindRabbitMQ:
		if t.Vhost == defaultVhost {
			return "/"
		}
		return "/" + url.PathEscape(t.Vhost)
	case KindRedis:
		return "/" + strconv.Itoa(t.Database)
	case KindNone, KindPrometheus, KindJSON:
	}
	return t.Path
}

// readable escapes only non-ASCII and characters that would end a parameter or a source.
func readable(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if c <= ' ' || c > '~' || strings.IndexByte("%&#+;@", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
