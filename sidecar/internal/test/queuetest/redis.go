package queuetest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gomodule/redigo/redis"
	"github.com/stretchr/testify/require"
)

// RedisServer is a Redis server.
type RedisServer struct {
	Address    string // host:port
	TLSAddress string // with option TLS

	server *process
}

// Redis starts a server with 16 empty databases and no password. It ends with the test. The rules define users in the form of Redis's ACL,
// such as "user stoker on >password ~* +@read".
func Redis(tb testing.TB, rules []string, given ...Option) *RedisServer {
	tb.Helper()
	path := program(tb, "redis-server", "redis-server")
	dir := folder(tb, "redis")
	o := chosen(given)
	port := freePort(tb)
	r := &RedisServer{Address: loopback(port)}
	config := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %s\nappendonly yes\nappendfsync always\nsave \"\"\ndaemonize no\n", port, dir)
	if o.authority != nil {
		o.authority.write(tb, dir)
		secure := freePort(tb)
		r.TLSAddress = loopback(secure)
		config += fmt.Sprintf("tls-port %d\ntls-cert-file %s/cert.pem\ntls-key-file %s/key.pem\ntls-ca-cert-file %s/ca.pem\ntls-auth-clients no\n",
			secure, dir, dir, dir)
	}
	file := filepath.Join(dir, "redis.conf")
	require.NoError(tb, os.WriteFile(file, []byte(config+strings.Join(rules, "\n")+"\n"), 0o600))
	r.server = &process{name: "redis-server", command: func() *exec.Cmd { return exec.Command(path, file) }}
	tb.Cleanup(r.server.stop)
	r.Start(tb)
	return r
}

// Start starts the server after a Stop, with the data on its disk.
func (r *RedisServer) Start(tb testing.TB) {
	tb.Helper()
	r.server.start(tb)
	r.server.until(tb, func(ctx context.Context) error {
		c, err := redis.DialContext(ctx, "tcp", r.Address)
		if err != nil {
			return err
		}
		defer func() { _ = c.Close() }()
		_, err = redis.DoContext(c, ctx, "PING")
		if refusal, ok := errors.AsType[redis.Error](err); ok && strings.HasPrefix(string(refusal), "NOAUTH") {
			return nil // it requires a password, so it is ready
		}
		return err
	})
}

// Stop kills the server.
func (r *RedisServer) Stop() { r.server.stop() }

// Restart stops and starts the server.
func (r *RedisServer) Restart(tb testing.TB) {
	tb.Helper()
	r.Stop()
	r.Start(tb)
}

// Pause makes the server hang until Resume.
func (r *RedisServer) Pause(tb testing.TB) {
	tb.Helper()
	r.server.pause(tb)
}

// Resume ends a Pause.
func (r *RedisServer) Resume(tb testing.TB) {
	tb.Helper()
	r.server.signal(tb, syscall.SIGCONT)
}

// Source returns the URL of a source for Stoker. Scheme is redis or rediss, and what is list=name or stream=name&group=name. Without a password
// the user is ignored.
func (r *RedisServer) Source(scheme, user, password string, database int, what string) string {
	address := r.Address
	if scheme == "rediss" {
		address = r.TLSAddress
	}
	if password != "" {
		address = url.UserPassword(user, password).String() + "@" + address
	}
	return fmt.Sprintf("%s://%s/%d?%s", scheme, address, database, what)
}

// Do runs a command in a database and returns its answer.
func (r *RedisServer) Do(tb testing.TB, database int, command string, args ...any) any {
	tb.Helper()
	c, err := redis.DialContext(tb.Context(), "tcp", r.Address, redis.DialDatabase(database))
	require.NoError(tb, err)
	defer func() { _ = c.Close() }()
	answer, err := c.Do(command, args...)
	require.NoError(tb, err)
	return answer
}
