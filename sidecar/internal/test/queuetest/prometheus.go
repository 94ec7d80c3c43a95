package queuetest

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// PrometheusServer is a Prometheus server without targets. Its answer depends on the query only, such as vector(3) or 1/0.
type PrometheusServer struct {
	Address string // host:port

	ca     *Authority // of option TLS
	server *process
}

// The user of a Prometheus with option TLS.
const (
	PrometheusUser     = "stoker"
	PrometheusPassword = "secret"
	// prometheusHash is the bcrypt hash of the password, of the lowest cost.
	prometheusHash = "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"
)

// Prometheus starts a server that ends with the test. With option TLS it accepts only HTTPS and only PrometheusUser.
func Prometheus(tb testing.TB, given ...Option) *PrometheusServer {
	tb.Helper()
	path := program(tb, "prometheus", "prometheus")
	dir := folder(tb, "prometheus")
	o := chosen(given)
	port := freePort(tb)
	p := &PrometheusServer{Address: loopback(port), ca: o.authority}
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(tb, os.WriteFile(file, []byte("global: {}\n"), 0o600))
	args := []string{"--config.file=" + file, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + p.Address, "--log.level=error"}
	if o.authority != nil {
		o.authority.write(tb, dir)
		web := fmt.Sprintf("tls_server_config: {cert_file: %s/cert.pem, key_file: %s/key.pem}\nbasic_auth_users: {%s: '%s'}\n",
			dir, dir, PrometheusUser, prometheusHash)
		require.NoError(tb, os.WriteFile(filepath.Join(dir, "web.yml"), []byte(web), 0o600))
		args = append(args, "--web.config.file="+filepath.Join(dir, "web.yml"))
	}
	p.server = &process{name: "prometheus", command: func() *exec.Cmd { return exec.Command(path, args...) }}
	tb.Cleanup(p.server.stop)
	p.Start(tb)
	return p
}

// Start starts the server after a Stop.
func (p *PrometheusServer) Start(tb testing.TB) {
	tb.Helper()
	p.server.start(tb)
	p.server.until(tb, func(ctx context.Context) error {
		address, client := "http://"+p.Address+"/-/ready", http.DefaultClient
		if p.ca != nil {
			address = "https://" + p.Address + "/-/ready"
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.ca.Pool()}, DisableKeepAlives: true}
			client = &http.Client{Transport: transport}
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return err
		}
		request.SetBasicAuth(PrometheusUser, PrometheusPassword)
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = answer.Body.Close() }()
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("not ready: %s", answer.Status)
		}
		return nil
	})
}

// Stop kills the server.
func (p *PrometheusServer) Stop() { p.server.stop() }
