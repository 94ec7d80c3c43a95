package metrics

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// A real Prometheus, with the configuration of compose/, scrapes a Stoker: the target is up, every rule can be evaluated, an
// alert fires, and every question of the dashboard has an answer that carries the labels of its legend.
func TestPrometheusUnderstandsAllOfIt(t *testing.T) {
	t.Parallel()
	s := lively()
	site := httptest.NewServer(s.Handler())
	t.Cleanup(site.Close)
	p := startPrometheus(t, strings.TrimPrefix(site.URL, "http://"))
	asked := queries(t)
	deadline, tick := time.After(2*time.Minute), time.NewTicker(time.Second)
	defer tick.Stop()
	for err := errors.New("not asked yet"); err != nil; {
		select {
		case <-tick.C:
		case <-deadline:
			require.NoError(t, err)
		}
		s.happen()
		err = p.verdict(asked)
	}
}

// lively is a busy Stoker of now, of which one worker is given up.
func lively() *stage {
	s := busy()
	still := s.view
	spent := newWorker("worker-d")
	spent.State, spent.Held = fleet.StateExhausted, worker.HeldExhausted
	still.Workers = append(still.Workers, spent)
	lively := &stage{}
	lively.Metrics = New(Options{View: func() fleet.View {
		view := still
		view.At = time.Now()
		return view
	}, Version: "1.2.3", Commit: "abcdef"})
	return lively
}

// happen makes everything happen once more.
func (s *stage) happen() {
	exhaustion := note(worker.EventExhausted, "worker-d")
	s.Record([]worker.Event{faultEvent("worker-a"), healedEvent("worker-a"), faultEvent("worker-d"), exhaustion, {Kind: worker.EventEngineDisconnected}})
	s.Dropped("log", 1)
	s.Notified("sent")
	s.Observed("started")
	s.Resynced()
	s.Called("start", 350*time.Millisecond, "done")
}

// server is a running Prometheus.
type server struct{ url string }

func startPrometheus(t *testing.T, target string) server {
	t.Helper()
	path := tool(t, "prometheus")
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yaml")
	require.NoError(t, os.WriteFile(config, []byte(localConfig(t, target)), 0o600))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())
	cmd := exec.CommandContext(t.Context(), path,
		"--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { // its context has ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return server{url: "http://" + addr}
}

// localConfig is the configuration of compose/ for a Stoker on this host, in a hurry.
func localConfig(t *testing.T, target string) string {
	t.Helper()
	text, err := os.ReadFile(prometheusFile)
	require.NoError(t, err)
	alerts, err := filepath.Abs(alertsFile)
	require.NoError(t, err)
	config := string(text)
	for from, to := range map[string]string{
		"stoker:8080": target, "- alerts.yaml": "- " + alerts, "scrape_interval: 15s": "scrape_interval: 1s", "evaluation_interval: 15s": "evaluation_interval: 1s",
	} {
		require.Contains(t, config, from)
		config = strings.ReplaceAll(config, from, to)
	}
	return config
}

// verdict is what is not yet as it should be.
func (p server) verdict(asked []query) error {
	if err := errors.Join(p.judgeTarget(), p.judgeRules()); err != nil {
		return err
	}
	for _, q := range asked {
		if strings.HasPrefix(q.expr, "label_values(") { // Grafana's own
			continue
		}
		if err := p.judgeAnswer(q); err != nil {
			return err
		}
	}
	return nil
}

func (p server) judgeTarget() error {
	var targets struct {
		ActiveTargets []struct{ Health, LastError string }
	}
	if err := p.get("/api/v1/targets", &targets); err != nil {
		return err
	}
	if all := targets.ActiveTargets; len(all) != 1 || all[0].Health != "up" {
		return fmt.Errorf("targets are %+v", all)
	}
	return nil
}

func (p server) judgeRules() error {
	var rules struct {
		Groups []struct {
			Rules []struct{ Name, Health, State, LastError string }
		}
	}
	if err := p.get("/api/v1/rules", &rules); err != nil {
		return err
	}
	states := map[string]string{}
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			states[r.Name] = r.State
			if r.Health != "ok" {
				return fmt.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	for name, want := range map[string]string{
		"StokerWorkerExhausted": "firing", "StokerEventsDropped": "firing", "StokerStuck": "inactive", "StokerDown": "inactive", "StokerEngineDisconnected": "inactive",
	} {
		if states[name] != want {
			return fmt.Errorf("%s is %s", name, states[name])
		}
	}
	return nil
}

func (p server) judgeAnswer(q query) error {
	expr := strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h", "$__interval", "1m", "$instance", ".*", "$worker", ".*").Replace(q.expr)
	var answer struct {
		Result []struct{ Metric map[string]string }
	}
	if err := p.get("/api/v1/query?query="+url.QueryEscape(expr), &answer); err != nil {
		return fmt.Errorf("%s: %w", expr, err)
	}
	if len(answer.Result) == 0 {
		return fmt.Errorf("no answer to %s", expr)
	}
	for _, label := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(q.legend, -1) {
		if answer.Result[0].Metric[label[1]] == "" {
			return fmt.Errorf("no label %s in the answer to %s", label[1], expr)
		}
	}
	return nil
}

// get asks Prometheus' API.
func (p server) get(path string, into any) error {
	answer, err := http.Get(p.url + path)
	if err != nil {
		return fmt.Errorf("ask Prometheus: %w", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("Prometheus answers %s", answer.Status)
	}
	if err := json.NewDecoder(answer.Body).Decode(&struct{ Data any }{Data: into}); err != nil {
		return fmt.Errorf("read Prometheus' answer: %w", err)
	}
	return nil
}
