package docker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// explained returns what Explain makes of the error of a failed list: one line with the host and the fix.
func explained(t *testing.T, opts Options) string {
	t.Helper()
	c, err := New(opts)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err = c.Engine(ctx)
	require.Error(t, err)
	text := Explain(err)
	require.NotContains(t, text, "\n")
	return text
}

func TestExplainNoFiles(t *testing.T) {
	t.Parallel()
	none := &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	text := explained(t, Options{Transport: &fake{answer: func(*http.Request) (*http.Response, error) { return nil, none }}})
	require.Contains(t, text, "ulimit")
}

func TestExplainSocket(t *testing.T) {
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale.sock")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	require.NoError(t, err)
	l.SetUnlinkOnClose(false)
	require.NoError(t, l.Close())
	cases := map[string]struct{ path, want string }{
		"no socket": {filepath.Join(dir, "none.sock"), "mount it"},
		"a folder":  {dir, "is a folder"},
		"stale":     {stale, "restart this container"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text := explained(t, Options{Host: "unix://" + tc.path})
			require.Contains(t, text, tc.path)
			require.Contains(t, text, tc.want)
		})
	}
}

// Root may open every file, so here the transport refuses, and the group is that of the file.
func TestExplainPermission(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.sock")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	group, ok := socketGroup(path)
	require.True(t, ok)
	denied := &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", os.ErrPermission)}
	text := explained(t, Options{Host: "unix://" + path, Transport: transportFunc(fails(denied))})
	require.Contains(t, text, "may not open "+path)
	require.Contains(t, text, "--group-add")
	require.Contains(t, text, "group "+strconv.FormatUint(uint64(group), 10))
}

// In the user namespace of a rootless engine the groups of the host do not exist.
func TestExplainPermissionInANamespace(t *testing.T) {
	t.Parallel()
	require.True(t, mapped("         0       1000          1\n         1     100000      65536\n"))
	require.False(t, mapped("         0          0 4294967295\n"))
	require.False(t, mapped(""), "not Linux, or no /proc")
	rootless := explainPermission("/var/run/docker.sock", 998, true, true)
	require.Contains(t, rootless, "0:0")
	require.NotContains(t, rootless, "998")
	require.Contains(t, explainPermission("/var/run/docker.sock", 998, true, false), "--group-add 998")
	require.Contains(t, explainPermission("/var/run/docker.sock", 0, false, false), "--group-add")
}

// A folder that a rootless engine creates is not visible on the host.
func TestExplainFolder(t *testing.T) {
	t.Parallel()
	require.Contains(t, explainFolder("/var/run/docker.sock", false), "remove it on the host")
	rootless := explainFolder("/var/run/docker.sock", true)
	require.NotContains(t, rootless, "remove")
	require.Contains(t, rootless, "-v $XDG_RUNTIME_DIR/docker.sock:/var/run/docker.sock")
}

// foreignCA writes the certificate of an authority that signed nothing.
func foreignCA(t *testing.T, path string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "foreign"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	require.NoError(t, err)
	writePEM(t, path, der)
}

func writePEM(t *testing.T, path string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestExplainTCP(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail on purpose
	secure.StartTLS()
	t.Cleanup(secure.Close)
	strict := httptest.NewUnstartedServer(http.NotFoundHandler())
	strict.Config.ErrorLog = secure.Config.ErrorLog
	strict.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	strict.StartTLS()
	t.Cleanup(strict.Close)
	trusting := t.TempDir()
	writePEM(t, filepath.Join(trusting, "ca.pem"), strict.Certificate().Raw)
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, dead.Close())

	certs := t.TempDir()
	foreignCA(t, filepath.Join(certs, "ca.pem"))
	address := func(s *httptest.Server) string { return "tcp://" + s.Listener.Addr().String() }
	cases := map[string]struct {
		opts Options
		want string
	}{
		"plain to TLS":      {Options{Host: address(secure)}, "DOCKER_TLS_VERIFY=1"},
		"TLS to plain":      {Options{Host: address(plain), TLSVerify: true, CertPath: certs}, "unset DOCKER_TLS_VERIFY"},
		"unknown authority": {Options{Host: address(secure), TLSVerify: true, CertPath: certs}, "unknown authority"},
		"no client cert":    {Options{Host: address(strict), TLSVerify: true, CertPath: trusting}, "refuses this client's certificate"},
		"nothing listens":   {Options{Host: "tcp://" + dead.Addr().String()}, "2375"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			text := explained(t, tc.opts)
			require.Contains(t, text, tc.want)
			require.Contains(t, text, strings.TrimPrefix(tc.opts.Host, "tcp://"))
		})
	}
}

func TestExplainVersionAndProxy(t *testing.T) {
	f := &fake{newest: "1.41", answer: upToDate("1.12", "1.41")}
	require.Contains(t, explained(t, Options{Transport: f, APIVersion: "1.47"}), "unset DOCKER_API_VERSION")
	f = &fake{newest: "1.60", answer: upToDate("1.55", "1.60")}
	require.Contains(t, explained(t, Options{Transport: f}), "use a version of Stoker that supports")
	f = &fake{answer: denies(403)}
	require.Contains(t, explained(t, Options{Transport: f}), "socket proxy")
	require.Contains(t, explained(t, Options{Transport: transportFunc(fails(context.DeadlineExceeded))}), "does not answer in time")
	require.Empty(t, Explain(nil))
	require.Equal(t, "multiple words", Explain(errorString("multiple\n words")))
}

type errorString string

func (e errorString) Error() string { return string(e) }

func TestHost(t *testing.T) {
	certs := t.TempDir()
	foreignCA(t, filepath.Join(certs, "ca.pem"))
	cases := map[string]struct {
		opts Options
		want string // empty means an error
	}{
		"nothing":      {Options{}, "unix:///var/run/docker.sock"},
		"unix":         {Options{Host: "unix:///run/d.sock"}, "unix:///run/d.sock"},
		"tcp":          {Options{Host: "tcp://h:1234"}, "tcp://h:1234"},
		"tcp bare":     {Options{Host: "tcp://h"}, "tcp://h:2375"},
		"tcp bare TLS": {Options{Host: "tcp://h", TLSVerify: true, CertPath: certs}, "tcp://h:2376"},
		"no scheme":    {Options{Host: "h:1234"}, "tcp://h:1234"},
		"IPv6":         {Options{Host: "tcp://[::1]"}, "tcp://[::1]:2375"},
		"a path":       {Options{Host: "tcp://h/prefix"}, "tcp://h:2375/prefix"},
		"ssh":          {Options{Host: "ssh://h"}, ""},
		"http":         {Options{Host: "http://h"}, ""},
		"empty unix":   {Options{Host: "unix://"}, ""},
		"no CA":        {Options{Host: "tcp://h", TLSVerify: true, CertPath: "nowhere"}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c, err := New(tc.opts)
			if tc.want == "" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, c.Host())
		})
	}
}
