package demand

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// longestSource is the maximum length of a label's value, in bytes.
	longestSource = 4096
	// rabbitDefault is the default user and password of RabbitMQ, as in other AMQP clients.
	rabbitDefault = "guest"
	defaultVhost  = "/"
)

type scheme struct {
	kind    Kind
	tls     bool
	port    string // default port
	params  []string
	example string // a valid URL
}

func schemes() map[string]scheme {
	queue, list, query, value := []string{"queue"}, []string{"list", "stream", "group"}, []string{"query"}, []string{"value"}
	return map[string]scheme{
		"amqp":             {KindAMQP, false, "5672", queue, "amqp://user:password@host/vhost?queue=name"},
		"amqps":            {KindAMQP, true, "5671", queue, "amqps://user:password@host/vhost?queue=name"},
		"rabbitmq+http":    {KindRabbitMQ, false, "15672", queue, "rabbitmq+http://user:password@host:15672/vhost?queue=name"},
		"rabbitmq+https":   {KindRabbitMQ, true, "15671", queue, "rabbitmq+https://user:password@host:15671/vhost?queue=name"},
		"redis":            {KindRedis, false, "6379", list, "redis://host:6379/0?list=name, or ?stream=name&group=name"},
		"rediss":           {KindRedis, true, "6379", list, "rediss://host:6379/0?list=name, or ?stream=name&group=name"},
		"prometheus+http":  {KindPrometheus, false, "80", query, "prometheus+http://host:9090?query=sum(jobs)"},
		"prometheus+https": {KindPrometheus, true, "443", query, "prometheus+https://host:9090?query=sum(jobs)"},
		"http+json":        {KindJSON, false, "80", value, "http+json://host/path?value=queued.total"},
		"https+json":       {KindJSON, true, "443", value, "https+json://host/path?value=queued.total"},
	}
}

// ParseSource parses the URL of one source. Its error describes the problem and a valid form. It contains no part of the URL that could belong to
// a user or a password.
func ParseSource(text string) (Source, error) {
	name, _, found := strings.Cut(text, "://")
	s, known := schemes()[strings.ToLower(name)]
	switch {
	case len(text) > longestSource:
		return Source{}, fmt.Errorf("longer than %d characters", longestSource)
	case !found:
		return Source{}, errors.New("not a URL; write one such as " + schemes()["amqp"].example)
	case !known:
		return Source{}, errors.New(unknownScheme(name))
	}
	target, err := s.parse(text)
	if err != nil {
		return Source{}, fmt.Errorf("%w; write %s", err, s.example)
	}
	return Source{target}, nil
}

func unknownScheme(name string) string {
	all := "amqp, amqps, rabbitmq+http, rabbitmq+https, redis, rediss, prometheus+http, prometheus+https, http+json or https+json"
	switch strings.ToLower(name) {
	case "http", "https":
		return "http alone is ambiguous; begin it with http+json://, prometheus+http:// or rabbitmq+http://, or the same with https"
	case "rabbitmq", "rabbit":
		return "begin it with amqp:// for AMQP, or with rabbitmq+http:// for the management API"
	case "prometheus":
		return "begin it with prometheus+http:// or prometheus+https://"
	case "json+http", "json+https", "http-json", "json":
		return "begin it with http+json:// or https+json://"
	}
	return "not a supported kind of source; begin it with one of " + all
}

func (s scheme) parse(text string) (Target, error) {
	u, err := url.Parse(text)
	if err != nil { // err repeats the URL
		return Target{}, errors.New("cannot be read as a URL; in user and password write %2F for /, %3F for ?, %23 for #, %40 for @ and %25 for %")
	}
	_, rest, _ := strings.Cut(text, "://")
	if at := strings.IndexAny(rest, "/?#"); at >= 0 && strings.Contains(rest[at:], "@") {
		return Target{}, errors.New("an @ after the host; in a password write / as %2F, ? as %3F and # as %23, and @ elsewhere as %40")
	}
	switch {
	case u.Fragment != "" || strings.Contains(rest, "#"):
		return Target{}, errors.New("a # has no meaning here; write it as %23")
	case u.Hostname() == "":
		return Target{}, errors.New("no host")
	case !goodHost(u):
		return Target{}, errors.New("the host is neither a name nor an IP address; an IPv6 address is in brackets")
	}
	t := Target{Kind: s.kind, TLS: s.tls, Host: strings.ToLower(u.Hostname()), Port: u.Port(), User: u.User.Username()}
	t.Password, _ = u.User.Password()
	if t.Port == "" {
		t.Port = s.port
	}
	if n, err := strconv.ParseUint(t.Port, 10, 16); err != nil || n == 0 {
		return Target{}, errors.New("the port is not a number from 1 to 65535")
	}
	t.Port = strings.TrimLeft(t.Port, "0")
	if err := s.parameters(&t, u.RawQuery); err != nil {
		return Target{}, err
	}
	return t, s.place(&t, u)
}

func goodHost(u *url.URL) bool {
	if strings.HasPrefix(u.Host, "[") {
		return regexp.MustCompile(`^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$`).MatchString(u.Hostname())
	}
	return regexp.MustCompile(`^[a-zA-Z0-9._-]+$`).MatchString(u.Hostname())
}

// parameters parses the query into Stoker's own parameters and those for the server.
func (s scheme) parameters(t *Target, raw string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return errors.New("the part after ? cannot be read; write % as %25 and ; as %3B")
	}
	for _, name := range s.params {
		if !values.Has(name) {
			continue
		}
		into := t.parameter(name)
		if len(values[name]) > 1 {
			return fmt.Errorf("%s= is there twice; a source is one, write two URLs with a space between", name)
		}
		if *into = values.Get(name); *into == "" {
			return fmt.Errorf("%s= is empty", name)
		}
		values.Del(name)
	}
	if s.kind == KindPrometheus || s.kind == KindJSON {
		t.Params = values.Encode()
	} else if len(values) > 0 {
		return unknownParameter(values, s.params)
	}
	return s.complete(*t)
}

// unknownParameter names the parameter only if it is a plausible name, and not part of a password with a ? in it.
func unknownParameter(values url.Values, known []string) error {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(values)), func(name string) bool {
		return !regexp.MustCompile(`^[A-Za-z][A-Za-z_-]{0,19}$`).MatchString(name)
	})
	slices.Sort(names) // the same problem gives the same message each time
	if len(names) == 0 {
		return fmt.Errorf("a parameter that is not one of %s", strings.Join(known, ", "))
	}
	return fmt.Errorf("%s= is not one of %s", names[0], strings.Join(known, ", "))
}

// complete reports a missing or surplus parameter.
func (s scheme) complete(t Target) error {
	switch s.kind {
	case KindAMQP, KindRabbitMQ:
		return required("queue", t.Queue, "which queue")
	case KindPrometheus:
		return required("query", t.Query, "which query")
	case KindJSON:
		if err := required("value", t.Value, "where in the answer the number is"); err != nil {
			return err
		}
		if slices.Contains(strings.Split(t.Value, "."), "") {
			return errors.New("value= has an empty part; it is keys with a dot between")
		}
	case KindRedis:
		switch {
		case t.List != "" && t.Stream+t.Group != "":
			return errors.New("list= and stream= exclude each other")
		case t.List == "" && t.Stream == "" && t.Group == "":
			return errors.New("neither list= nor stream=")
		case t.List == "" && (t.Stream == "" || t.Group == ""):
			return errors.New("stream= and group= belong together")
		}
	case KindNone:
	}
	return nil
}

func required(name, value, meaning string) error {
	if value == "" {
		return fmt.Errorf("%s= is missing, so it is not clear %s", name, meaning)
	}
	return nil
}

// place parses the path.
func (s scheme) place(t *Target, u *url.URL) error {
	switch s.kind {
	case KindAMQP, KindRabbitMQ:
		if u.User == nil {
			t.User, t.Password = rabbitDefault, rabbitDefault
		}
		if t.Vhost = strings.TrimPrefix(u.Path, "/"); t.Vhost == "" {
			t.Vhost = defaultVhost
		}
	case KindRedis:
		name := strings.Trim(u.Path, "/")
		if name == "" {
			return nil
		}
		number, err := strconv.ParseUint(name, 10, 16)
		if err != nil {
			return errors.New("the path is the number of a database, such as /0")
		}
		t.Database = int(number)
	case KindPrometheus:
		t.Path = strings.TrimSuffix(strings.TrimRight(u.EscapedPath(), "/"), "/api/v1/query")
	case KindJSON:
		if t.Path = u.EscapedPath(); t.Path == "" {
			t.Path = "/"
		}
	case KindNone:
	}
	return nil
}
