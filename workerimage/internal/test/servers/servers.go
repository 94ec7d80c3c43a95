// Package servers runs real brokers for tests, from Debian's packages rabbitmq-server and redis-server, on free ports of the loopback interface. Each
// has its own directory and ends with its test.
package servers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Password is the brokers' password, where they require one. It needs escaping in a URL.
const Password = "se/cret@word"

// patience is the time limit for a broker to start or to end.
const patience = 90 * time.Second

// Server is one broker.
type Server struct {
	URL string // up to the name of a queue, with the password

	t       testing.TB
	address string
	dir     string
	command func() *exec.Cmd
	cmd     *exec.Cmd
	done    chan struct{}
}

// missing skips the test, or fails it if CI=true: CI installs what the tests need.
func missing(t testing.TB, program, debian string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI=true, where all programs are required: no %s, install Debian's %s", program, debian)
	}
	t.Skipf("no %s: install Debian's %s", program, debian)
}

// Redis returns a server that writes its data to disk before it answers. It is not started.
func Redis(t testing.TB) *Server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		missing(t, "redis-server", "redis-server")
	}
	port := freePort(t)
	s := &Server{t: t, dir: t.TempDir(), address: fmt.Sprintf("127.0.0.1:%d", port)}
	s.URL = fmt.Sprintf("redis://:%s@%s/3?list=", escaped(), s.address)
	s.command = func() *exec.Cmd {
		return exec.Command(program, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--dir", s.dir, "--daemonize", "no",
			"--save", "", "--appendonly", "yes", "--appendfsync", "always", "--requirepass", Password)
	}
	return s
}

// Rabbit returns a node without plugins, and with an epmd of its own: one that a node starts would outlive the test. It is not started.
func Rabbit(t testing.TB) *Server {
	t.Helper()
	const program = "/usr/lib/rabbitmq/bin/rabbitmq-server" // the one in the path requires root, and changes the user
	epmd, err := exec.LookPath("epmd")
	if _, missed := os.Stat(program); err != nil || missed != nil {
		missing(t, "rabbitmq-server", "rabbitmq-server")
	}
	port, distribution, names := freePort(t), freePort(t), freePort(t)
	s := &Server{t: t, dir: t.TempDir(), address: fmt.Sprintf("127.0.0.1:%d", port)}
	s.URL = fmt.Sprintf("amqp://stoker:%s@%s?queue=", escaped(), s.address)
	config := fmt.Sprintf("listeners.tcp.1 = %s\ndefault_user = stoker\ndefault_pass = %s\nvm_memory_high_watermark.absolute = 256MB\n"+
		"disk_free_limit.absolute = 1MB\nlog.console.level = warning\n", s.address, Password)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "rabbitmq.conf"), []byte(config), 0o600))
	registry := exec.Command(epmd, "-port", fmt.Sprint(names), "-address", "127.0.0.1")
	registry.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, registry.Start())
	t.Cleanup(func() {
		_ = registry.Process.Kill()
		_ = registry.Wait() // killed
	})
	s.command = func() *exec.Cmd {
		cmd := exec.Command(program)
		in := func(name string) string { return filepath.Join(s.dir, name) }
		cmd.Env = append(os.Environ(),
			"RUNNING_UNDER_SYSTEMD=yes", // no script stays between the test and the node
			"HOME="+s.dir, "RABBITMQ_NODENAME=stoker-test@localhost", fmt.Sprintf("RABBITMQ_DIST_PORT=%d", distribution),
			fmt.Sprintf("ERL_EPMD_PORT=%d", names), "ERL_EPMD_ADDRESS=127.0.0.1",
			"RABBITMQ_CONFIG_FILE="+in("rabbitmq.conf"), "RABBITMQ_CONF_ENV_FILE="+in("none"), "RABBITMQ_ENABLED_PLUGINS_FILE="+in("plugins"),
			"RABBITMQ_MNESIA_BASE="+in("mnesia"), "RABBITMQ_LOG_BASE="+in("log"), "RABBITMQ_LOGS=-", "RABBITMQ_PID_FILE="+in("pid"),
			"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}")
		return cmd
	}
	return s
}

// Start returns when the broker accepts connections. It must not be running.
func (s *Server) Start() {
	s.t.Helper()
	out, err := os.OpenFile(filepath.Join(s.dir, "out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(s.t, err)
	defer out.Close()
	cmd, done := s.command(), make(chan struct{})
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL} // RabbitMQ has children
	require.NoError(s.t, cmd.Start())
	if s.cmd == nil {
		s.t.Cleanup(s.Kill)
	}
	s.cmd, s.done = cmd, done
	go func() {
		defer close(done)
		_ = cmd.Wait() // it is ended by a signal
	}()
	s.until("does not begin", func() bool {
		conn, err := net.DialTimeout("tcp", s.address, time.Second)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	})
}

// Stop ends the broker with SIGTERM.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

// Kill ends it at once.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

func (s *Server) end(signal syscall.Signal) {
	s.t.Helper()
	_ = syscall.Kill(-s.cmd.Process.Pid, signal) // it may have ended already
	s.until("does not end", func() bool {
		select {
		case <-s.done:
			return syscall.Kill(-s.cmd.Process.Pid, 0) != nil // no process of the group is left
		default:
			return false
		}
	})
}

func (s *Server) until(complaint string, condition func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			text, err := os.ReadFile(filepath.Join(s.dir, "out"))
			s.t.Fatalf("the broker %s; its log: %s %v", complaint, text, err)
		}
	}
}

func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func escaped() string { return strings.NewReplacer("/", "%2F", "@", "%40").Replace(Password) }
