package queuetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
	"github.com/stretchr/testify/require"
)

// The administrator of every server that RabbitMQ starts.
const (
	RabbitUser     = "guest"
	RabbitPassword = "guest"
)

// Rabbit is a RabbitMQ server with its management API.
type Rabbit struct {
	Address              string // host:port of AMQP
	TLSAddress           string // of AMQP with TLS, with option TLS
	ManagementAddress    string // of the management API
	ManagementTLSAddress string // of the management API with TLS, with option TLS

	server *process
}

// RabbitMQ starts a server with an empty vhost "/". It ends with the test.
func RabbitMQ(tb testing.TB, given ...Option) *Rabbit {
	tb.Helper()
	script := program(tb, "rabbitmq-server", "rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server")
	if wrapped := "/usr/lib/rabbitmq/bin/rabbitmq-server"; exists(wrapped) {
		script = wrapped // Debian's script in PATH switches to the user rabbitmq and to that user's data
	}
	epmd := program(tb, "epmd", "erlang-base")
	dir := folder(tb, "rabbit")
	o := chosen(given)
	port, management, names, distribution := freePort(tb), freePort(tb), freePort(tb), freePort(tb)
	r := &Rabbit{Address: loopback(port), ManagementAddress: loopback(management)}
	config := fmt.Sprintf("listeners.tcp.1 = %s\nmanagement.tcp.ip = 127.0.0.1\nmanagement.tcp.port = %d\nlog.file = false\nlog.console = true\n"+
		"log.console.level = error\nvm_memory_high_watermark.absolute = 1GB\ndisk_free_limit.absolute = 1MB\n", r.Address, management)
	if o.authority != nil {
		o.authority.write(tb, dir)
		secure, api := freePort(tb), freePort(tb)
		r.TLSAddress, r.ManagementTLSAddress = loopback(secure), loopback(api)
		config += fmt.Sprintf("listeners.ssl.1 = %s\nmanagement.ssl.ip = 127.0.0.1\nmanagement.ssl.port = %d\n", r.TLSAddress, api)
		for _, section := range []string{"ssl_options", "management.ssl"} {
			config += fmt.Sprintf("%s.cacertfile = %s/ca.pem\n%s.certfile = %s/cert.pem\n%s.keyfile = %s/key.pem\n", section, dir, section, dir, section, dir)
		}
	}
	require.NoError(tb, os.WriteFile(filepath.Join(dir, "rabbitmq.conf"), []byte(config), 0o600))
	require.NoError(tb, os.WriteFile(filepath.Join(dir, "enabled_plugins"), []byte("[rabbitmq_management].\n"), 0o600))

	// If RabbitMQ started Erlang's name server, it would keep running as a daemon.
	nameServer := &process{name: "epmd", command: func() *exec.Cmd {
		return exec.Command(epmd, "-port", strconv.Itoa(names), "-address", "127.0.0.1")
	}}
	nameServer.start(tb)
	tb.Cleanup(nameServer.stop)
	nameServer.until(tb, reachable(loopback(names)))
	r.server = &process{name: "rabbitmq-server", command: func() *exec.Cmd {
		cmd := exec.Command(script)
		cmd.Dir = dir
		cmd.Env = rabbitEnvironment(dir, names, distribution)
		return cmd
	}}
	tb.Cleanup(r.server.stop)
	r.Start(tb)
	return r
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// rabbitEnvironment returns an environment with all files in one folder. Erlang's cookie is in HOME.
func rabbitEnvironment(dir string, names, distribution int) []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + dir,
		"RABBITMQ_NODENAME=stoker" + strconv.Itoa(distribution) + "@localhost",
		"RABBITMQ_DIST_PORT=" + strconv.Itoa(distribution),
		"ERL_EPMD_PORT=" + strconv.Itoa(names), "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(dir, "mnesia"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(dir, "log"),
		"RABBITMQ_PID_FILE=" + filepath.Join(dir, "pid"),
		"RABBITMQ_CONFIG_FILE=" + filepath.Join(dir, "rabbitmq"),
		"RABBITMQ_CONF_ENV_FILE=" + filepath.Join(dir, "none"),
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + filepath.Join(dir, "enabled_plugins"),
		"RABBITMQ_GENERATED_CONFIG_DIR=" + filepath.Join(dir, "generated"),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none",
		"RUNNING_UNDER_SYSTEMD=true", // no shell between the test and the server
	}
}

// Start starts the server after a Stop, with the data on its disk.
func (r *Rabbit) Start(tb testing.TB) {
	tb.Helper()
	r.server.start(tb)
	r.server.until(tb, func(ctx context.Context) error {
		if err := r.try(ctx, http.MethodGet, "/api/overview", nil, nil); err != nil {
			return err
		}
		return reachable(r.Address)(ctx)
	})
}

// Stop kills the server. A queue that was just declared may be lost, because Mnesia writes it to the disk later.
func (r *Rabbit) Stop() { r.server.stop() }

// Restart shuts the server down and starts it. Durable queues and confirmed persistent messages survive.
func (r *Rabbit) Restart(tb testing.TB) {
	tb.Helper()
	r.server.end()
	r.Start(tb)
}

// Pause makes the server hang: it keeps its connections, accepts new ones, and does not answer. Resume ends the pause.
func (r *Rabbit) Pause(tb testing.TB) {
	tb.Helper()
	r.server.pause(tb)
}

// Resume ends a Pause.
func (r *Rabbit) Resume(tb testing.TB) {
	tb.Helper()
	r.server.signal(tb, syscall.SIGCONT)
}

// Source returns the URL of a queue for Stoker. Scheme is amqp, amqps, rabbitmq+http or rabbitmq+https.
func (r *Rabbit) Source(scheme, user, password, vhost, queue string) string {
	address := map[string]string{
		"amqp": r.Address, "amqps": r.TLSAddress, "rabbitmq+http": r.ManagementAddress, "rabbitmq+https": r.ManagementTLSAddress,
	}[scheme]
	return fmt.Sprintf("%s://%s@%s/%s?queue=%s", scheme, url.UserPassword(user, password), address, url.PathEscape(vhost), url.QueryEscape(queue))
}

// URL returns the URL for an AMQP client, as the administrator.
func (r *Rabbit) URL(vhost string) string {
	return fmt.Sprintf("amqp://%s:%s@%s/%s", RabbitUser, RabbitPassword, r.Address, url.PathEscape(vhost))
}

// Connect opens a connection that is closed with the test.
func (r *Rabbit) Connect(tb testing.TB, vhost string) *amqp.Connection {
	tb.Helper()
	c, err := amqp.Dial(r.URL(vhost))
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = c.Close() })
	return c
}

// Declare creates a durable queue.
func (r *Rabbit) Declare(tb testing.TB, vhost, queue string) {
	tb.Helper()
	r.onChannel(tb, vhost, func(ch *amqp.Channel) {
		_, err := ch.QueueDeclare(queue, true, false, false, false, nil)
		require.NoError(tb, err)
	})
}

// Publish publishes persistent messages to a queue, and returns when the server has confirmed them.
func (r *Rabbit) Publish(tb testing.TB, vhost, queue string, bodies ...string) {
	tb.Helper()
	r.onChannel(tb, vhost, func(ch *amqp.Channel) {
		require.NoError(tb, ch.Confirm(false))
		var last *amqp.DeferredConfirmation
		for _, body := range bodies {
			var err error
			last, err = ch.PublishWithDeferredConfirmWithContext(tb.Context(), "", queue, true, false,
				amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)})
			require.NoError(tb, err)
		}
		if last != nil {
			acknowledged, err := last.WaitContext(tb.Context())
			require.NoError(tb, err)
			require.True(tb, acknowledged)
		}
	})
}

// Count returns the number of ready messages in a queue, without the delay of the management API.
func (r *Rabbit) Count(tb testing.TB, vhost, queue string) int {
	tb.Helper()
	var ready int
	r.onChannel(tb, vhost, func(ch *amqp.Channel) {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		require.NoError(tb, err)
		ready = q.Messages
	})
	return ready
}

func (r *Rabbit) onChannel(tb testing.TB, vhost string, do func(*amqp.Channel)) {
	tb.Helper()
	c, err := amqp.Dial(r.URL(vhost))
	require.NoError(tb, err)
	defer func() { _ = c.Close() }()
	ch, err := c.Channel()
	require.NoError(tb, err)
	do(ch)
}

// Vhost creates a vhost with permissions for the administrator.
func (r *Rabbit) Vhost(tb testing.TB, name string) {
	tb.Helper()
	r.manage(tb, http.MethodPut, "/api/vhosts/"+url.PathEscape(name), nil)
	r.Permit(tb, name, RabbitUser, ".*")
}

// User creates a user. Tags are such as monitoring, or empty.
func (r *Rabbit) User(tb testing.TB, name, password, tags string) {
	tb.Helper()
	r.manage(tb, http.MethodPut, "/api/users/"+url.PathEscape(name), map[string]string{"password": password, "tags": tags})
}

// Permit allows a user to configure, write and read the resources of a vhost that match the pattern. Pattern ^$ matches nothing.
func (r *Rabbit) Permit(tb testing.TB, vhost, user, pattern string) {
	tb.Helper()
	r.manage(tb, http.MethodPut, "/api/permissions/"+url.PathEscape(vhost)+"/"+url.PathEscape(user),
		map[string]string{"configure": pattern, "write": pattern, "read": pattern})
}

// Get reads an answer of the management API as the administrator.
func (r *Rabbit) Get(tb testing.TB, path string, into any) {
	tb.Helper()
	require.NoError(tb, r.try(tb.Context(), http.MethodGet, path, nil, into))
}

func (r *Rabbit) manage(tb testing.TB, method, path string, body any) {
	tb.Helper()
	require.NoError(tb, r.try(tb.Context(), method, path, body, nil))
}

func (r *Rabbit) try(ctx context.Context, method, path string, body, into any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+r.ManagementAddress+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	request.SetBasicAuth(RabbitUser, RabbitPassword)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, content)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(content, into)
}

// reachable returns a function that succeeds if a process listens on the address.
func reachable(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		c, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return c.Close()
	}
}
