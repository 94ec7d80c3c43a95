// Package queuetest starts the servers that are sources of demand: RabbitMQ, Redis and Prometheus, from Debian's packages.
//
// Each server listens on free ports of loopback, has its data in a folder of the test, and ends with the test. It does not use or change the
// configuration and the data of an installed server. If a program is not installed, the test is skipped by testenv.Missing.
package queuetest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/testenv"
)

// startTime is the time within which a server must answer. RabbitMQ takes about 5 s on two idle cores.
const startTime = 2 * time.Minute

// Option changes how a server is started.
type Option func(*options)

type options struct{ authority *Authority }

// TLS makes the server listen with TLS as well, with a certificate of the authority.
func TLS(a *Authority) Option { return func(o *options) { o.authority = a } }

func chosen(all []Option) options {
	var o options
	for _, set := range all {
		set(&o)
	}
	return o
}

// program returns the path of a server, or skips the test. Debian installs some of them in a folder that is not in every PATH.
func program(tb testing.TB, name, debianPackage string, others ...string) string {
	tb.Helper()
	for _, candidate := range append([]string{name}, others...) {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	testenv.Missing(tb, "no %s here: install Debian's package %s", name, debianPackage)
	return ""
}

// process is a server that runs, or that was stopped and can be started again the same way.
type process struct {
	name    string
	command func() *exec.Cmd

	mu     sync.Mutex
	cmd    *exec.Cmd
	output *tail
	ended  chan struct{}
}

// start runs the server until stop. The server is killed when the test binary ends, so that a killed test leaves no server behind.
func (p *process) start(tb testing.TB) {
	tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	cmd := p.command()
	p.output = &tail{}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	require.NoError(tb, cmd.Start(), p.name)
	ended := make(chan struct{})
	p.cmd, p.ended = cmd, ended
	go func() {
		defer close(ended)
		_ = cmd.Wait()
	}()
}

// stop kills the server and its children. Their connections break as in a crash.
func (p *process) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
	p.cmd = nil
}

// end asks the server to exit, and kills its process group after that, or after startTime.
func (p *process) end() {
	p.mu.Lock()
	if p.cmd != nil {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(startTime):
		}
	}
	p.mu.Unlock()
	p.stop()
}

// pause stops the server and its children with SIGSTOP, and returns when all threads have stopped, which the kernel does one by one.
func (p *process) pause(tb testing.TB) {
	tb.Helper()
	pid := p.signal(tb, syscall.SIGSTOP)
	require.Eventually(tb, func() bool {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, thread := range threads {
			stat, err := os.ReadFile(thread)
			_, state, _ := strings.Cut(string(stat), ") ")
			if err != nil || !strings.HasPrefix(state, "T") {
				return false
			}
		}
		return err == nil && len(threads) > 0
	}, startTime, time.Millisecond, "%s does not stop", p.name)
}

// signal sends a signal to the server and its children, and returns the server's process.
func (p *process) signal(tb testing.TB, s syscall.Signal) (pid int) {
	tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NotNil(tb, p.cmd, "%s does not run", p.name)
	require.NoError(tb, syscall.Kill(-p.cmd.Process.Pid, s))
	return p.cmd.Process.Pid
}

// until waits for the server to answer. It fails as soon as the server ends.
func (p *process) until(tb testing.TB, answers func(context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), startTime)
	defer cancel()
	for {
		err := answers(ctx)
		if err == nil {
			return
		}
		select {
		case <-p.ended:
			tb.Fatalf("%s ended at once: %s", p.name, p.output)
		case <-ctx.Done():
			tb.Fatalf("%s does not answer: %v: %s", p.name, err, p.output)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// freePort returns a port of loopback that no process listens on.
func freePort(tb testing.TB) int {
	tb.Helper()
	var config net.ListenConfig
	l, err := config.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer func() { require.NoError(tb, l.Close()) }()
	return l.Addr().(*net.TCPAddr).Port
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// folder creates a folder for a server's data. It does not use tb.TempDir, whose path may be too long for a socket.
func folder(tb testing.TB, name string) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", name+"-") //nolint:usetesting // the server is stopped before it is removed, see the order of cleanups
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// tail keeps the last part of a server's output.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const mostOutput = 1 << 16

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if over := t.buf.Len() - mostOutput; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("its output ends:\n%s", t.buf.String())
}
