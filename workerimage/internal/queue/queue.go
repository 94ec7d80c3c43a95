// Package queue has the types that the brokers share: the address of a queue, its messages, and the outcome of a task.
package queue

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// Kind is a kind of broker.
type Kind string

// The brokers.
const (
	AMQP  Kind = "amqp"
	Redis Kind = "redis"
)

// Spec is the address of a queue. It holds a password: log only the result of String.
type Spec struct {
	Kind     Kind
	TLS      bool
	Host     string // with a port
	User     string
	Password string
	Vhost    string // AMQP
	Database int    // Redis
	Name     string // of the queue of tasks, or the list
}

// Results is the name of the queue, or the hash, that results are put into.
func (s Spec) Results() string { return s.Name + ".results" }

// String returns the queue's name for logs, without secrets.
func (s Spec) String() string {
	return fmt.Sprintf("%s queue %q at %s", s.Kind, s.Name, s.Host)
}

// Parse reads amqp://user:password@host:5672/vhost?queue=NAME or redis://:password@host:6379/0?list=NAME, or the same with amqps and
// rediss for TLS. No error contains any part of the text that may be a secret.
func Parse(text string) (Spec, error) {
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" {
		return Spec{}, errors.New("not a URL like amqp://user:password@host/vhost?queue=tasks; a password may need percent-encoding")
	}
	spec := Spec{User: u.User.Username()}
	spec.Password, _ = u.User.Password()
	switch u.Scheme {
	case "amqp", "amqps":
		spec.Kind = AMQP
		err = spec.amqp(u)
	case "redis", "rediss":
		spec.Kind = Redis
		err = spec.redis(u)
	default:
		return Spec{}, errors.New("the URL must begin with amqp://, amqps://, redis:// or rediss://")
	}
	spec.TLS = strings.HasSuffix(u.Scheme, "s") && u.Scheme != "redis"
	return spec, err
}

func (s *Spec) amqp(u *url.URL) error {
	port := "5672"
	if u.Scheme == "amqps" {
		port = "5671"
	}
	s.Vhost = cmp.Or(strings.TrimPrefix(u.Path, "/"), "/")
	if u.User == nil {
		s.User, s.Password = "guest", "guest" // RabbitMQ's own default
	}
	return s.common(u, "queue", port)
}

func (s *Spec) redis(u *url.URL) error {
	if err := s.common(u, "list", "6379"); err != nil {
		return err
	}
	path := strings.TrimPrefix(u.Path, "/")
	if path == "" {
		return nil
	}
	database, err := strconv.ParseUint(path, 10, 16)
	if err != nil {
		return errors.New("the path of a redis URL is the number of the database, as redis://host:6379/0?list=tasks")
	}
	s.Database = int(database)
	return nil
}

// common reads the host and the only parameter that there may be.
func (s *Spec) common(u *url.URL, parameter, port string) error {
	if u.Hostname() == "" {
		return errors.New("the URL names no host")
	}
	s.Host = net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), port))
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return fmt.Errorf("the part after ? must be %s=NAME", parameter)
	}
	s.Name = query.Get(parameter)
	if s.Name == "" || len(query) != 1 || len(query[parameter]) != 1 {
		return fmt.Errorf("the URL must end with ?%s=NAME, and have no other parameter", parameter)
	}
	if len(s.Results()) > 255 {
		return fmt.Errorf("the name of the %s is too long: at most 247 bytes", parameter)
	}
	return nil
}

// ErrNone means that no task came in time.
var ErrNone = errors.New("no task")

// Task is a task that was taken: it is the worker's until it is finished or returned, or the broker takes it away.
type Task struct {
	Body   []byte
	Again  bool   // the broker reports that it was delivered before
	Handle Handle // for the broker that it came from
}

// Handle identifies a task at the broker.
type Handle struct {
	Tag  uint64
	Life int // counts the connections
}

// Message is a message to put into a queue.
type Message struct {
	ID      string // of the job
	Attempt string // of a result, "" for a job
	Body    []byte
}

// Outcome is how a finished task ended at the broker.
type Outcome string

// The outcomes.
const (
	Stored    Outcome = "stored"     // the result is confirmed, and the task is gone from the queue
	Duplicate Outcome = "duplicate"  // the same, but there was a result of the same ID before, which was kept
	TakenAway Outcome = "taken away" // the broker gave the task to another worker meanwhile; the result was not stored
)

// Found is a result that was collected.
type Found struct {
	Body       []byte
	Duplicates int // results of the same ID that the broker itself detected and dropped
}
