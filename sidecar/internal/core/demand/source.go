package demand

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// Source is a place that tells how much work there is. Sources are compared with ==: labels that mean the same place in different words give
// equal ones. User and password are part of it.
//
// A Source prints itself without its secrets, in every format of fmt and as JSON. Two that differ in a secret only print the same text.
type Source struct{ target Target }

// Kind is what a source is asked for, and how.
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

// Target is what it takes to ask a source, in clear text. Two of one source are equal.
type Target struct {
	Kind           Kind
	TLS            bool
	Host           string // name or IP address, without brackets
	Port           string
	User, Password string

	Vhost, Queue string // AMQP and RabbitMQ

	Database            int // Redis, and either a list or a stream with a group
	List, Stream, Group string

	Path   string // Prometheus (the base, without / at its end) and JSON, escaped
	Params string // what else is to be sent to the server, encoded
	Query  string // Prometheus
	Value  string // JSON: the keys and indexes that lead to the number, with a dot between
}

// Reveal returns what it takes to ask the source, secrets included. It is for the one who asks.
func (s Source) Reveal() Target { return s.target }

// IsZero reports whether it is the Source that names nothing.
func (s Source) IsZero() bool { return s == Source{} }

// String is the URL of the source without user, password, and those query parameters that are for the server.
func (s Source) String() string { return s.target.String() }

// GoString is String, for %#v.
func (s Source) GoString() string { return s.String() }

// MarshalText is String, for JSON and logs.
func (s Source) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String is that of the source: without secrets.
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

// GoString is String, for %#v.
func (t Target) GoString() string { return t.String() }

// MarshalText is String, for JSON and logs.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Scheme is that of the URL, such as amqps.
func (t Target) Scheme() string {
	for name, s := range schemes() {
		if s.kind == t.Kind && s.tls == t.TLS {
			return name
		}
	}
	return ""
}

// Address is host:port, with an IPv6 address in brackets.
func (t Target) Address() string { return bracketed(t.Host) + ":" + t.Port }

// Server is the target without what is asked there: two sources of one server, user and vhost or database have the same.
func (t Target) Server() Target {
	t.Queue, t.List, t.Stream, t.Group, t.Path, t.Params, t.Query, t.Value = "", "", "", "", "", "", "", ""
	return t
}

// own is the names of the parameters that are Stoker's, in the order in which they are shown.
func own() []string { return []string{"queue", "list", "stream", "group", "query", "value"} }

// parameter is where one of own is kept.
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

// readable escapes only what would end a parameter or a source, and what is not ASCII.
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
