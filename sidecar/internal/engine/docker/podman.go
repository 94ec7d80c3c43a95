package docker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/client"

	"stoker/sidecar/internal/core/worker"
)

// podman describes an engine that is Podman. docs/podman.md lists how it differs from Docker.
type podman struct {
	version   string
	remembers bool // its inspect reports whether an exit was requested
}

// podmanOf reads the header that Podman sets on each answer, also on a ping's.
func podmanOf(s *response) *podman {
	if s.libpod == "" {
		return nil
	}
	return &podman{version: s.libpod, remembers: atLeast(s.libpod, 4, 7)}
}

// caveat returns a warning for the user of this engine.
func (p *podman) caveat() string {
	text := "this is Podman " + p.version + ", on which not everything works as on Docker (docs/podman.md)"
	if !p.remembers {
		text += ": before 4.7 it does not report whether an exit was requested, so workers that exit with code 0, 137 or 143 are held"
	}
	return text
}

// atLeast compares the first two numbers of a version.
func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return false
	}
	first, err1 := strconv.Atoi(parts[0])
	second, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (first > major || first == major && second >= minor)
}

// podmanHistory is how much of the past is requested from a Podman that reports whether an exit was requested. Podman keeps its events for
// days, and has one for each health probe.
const podmanHistory = time.Minute

// since bounds where an event stream begins. now may be off by as much as the clocks differ.
func (p *podman) since(since, now time.Time) time.Time {
	if earliest := now.Add(-podmanHistory); p.remembers && since.Before(earliest) {
		return earliest
	}
	return since
}

// podmanDied is Podman's own name of the die event; its Docker API has die (5.4).
const podmanDied events.Action = "died"

// podmanStatus maps the states that Docker names differently. A container that is being stopped still runs.
var podmanStatus = map[string]worker.Status{
	"configured": worker.StatusCreated, "initialized": worker.StatusCreated,
	"stopping": worker.StatusRunning, "stopped": worker.StatusExited,
}

// adapt gives an observation of Podman the meaning that it has with Docker. Some versions report the result of each probe, others only
// changes. A result without a change loses its kind; it is kept as a sign that the stream works, because Newest counts it too. Before an
// exit Podman does not report the request: a stop has no kill event, and a kill event no signal.
func (r reader) adapt(o *worker.Observation) {
	switch o.Kind {
	case worker.Exited:
		o.NoStopEvents = true
		delete(r.health, o.ID)
	case worker.Started, worker.Gone:
		delete(r.health, o.ID)
	case worker.Signalled:
		if o.Signal == 0 {
			o.Signal = syscall.SIGKILL
		}
	case worker.Healthy, worker.Unhealthy:
		if r.health[o.ID] == o.Kind {
			o.Kind = 0
			return
		}
		r.health[o.ID] = o.Kind
	default: // the same
	}
}

// podmanMessage is an event of Podman. The health has a field of its own; Docker puts it into the action.
type podmanMessage struct {
	events.Message
	HealthStatus string
}

// podmanMessages replaces the Docker client's Events, which drops Podman's health field.
func (c *Client) podmanMessages(ctx context.Context, since, until time.Time) (<-chan events.Message, <-chan error) {
	messages, errs := make(chan events.Message), make(chan error, 1)
	go func() { errs <- c.pourMessages(ctx, listOptions(since, until), messages) }()
	return messages, errs
}

func (c *Client) pourMessages(ctx context.Context, options events.ListOptions, to chan<- events.Message) error {
	options.Filters.Add("event", string(podmanDied))
	options.Filters.Add("event", string(events.ActionRemove))
	filters, err := options.Filters.MarshalJSON()
	if err != nil {
		return fmt.Errorf("write the filters: %w", err)
	}
	query := url.Values{"since": {options.Since}, "filters": {string(filters)}}
	if options.Until != "" {
		query.Set("until", options.Until)
	}
	answer, err := c.get(ctx, "/v"+c.api.Load().ClientVersion()+"/events", query)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Close() }()
	for decoder := json.NewDecoder(answer); ; {
		var m podmanMessage
		if err := decoder.Decode(&m); err != nil {
			return err
		}
		if m.Action == events.ActionHealthStatus {
			m.Action = events.Action(string(events.ActionHealthStatus) + ": " + m.HealthStatus)
		}
		select {
		case to <- m.Message:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// askExitCause asks Podman whether the exit that an inspect shows was requested, which its Docker API does not report. Without an answer
// the cause stays unknown.
func (c *Client) askExitCause(ctx context.Context, s *worker.Snapshot) {
	p := c.podman.Load()
	if p == nil || !s.Status.Down() {
		return
	}
	s.ExitCause = worker.ExitCauseHidden
	if !p.remembers {
		return
	}
	answer, err := c.get(ctx, "/v"+p.version+"/libpod/containers/"+url.PathEscape(s.ID)+"/json", nil)
	if err != nil {
		return
	}
	defer func() { _ = answer.Close() }()
	var inspected struct {
		State *struct {
			StartedAt     time.Time
			StoppedByUser bool
		}
	}
	err = json.NewDecoder(io.LimitReader(answer, mostInspect)).Decode(&inspected)
	switch {
	case err != nil || inspected.State == nil || !inspected.State.StartedAt.Equal(s.StartedAt):
	case inspected.State.StoppedByUser:
		s.ExitCause = worker.ExitCauseRequested
	default:
		s.ExitCause = worker.ExitCauseOwn
	}
}

// mostInspect bounds the bytes read of one inspect.
const mostInspect = 16 << 20

// get sends a request that the Docker client does not have. Its error is the engine's message, or the cause of a missing answer.
func (c *Client) get(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(path, query.Encode()), nil)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	req.Header.Set("User-Agent", c.agent())
	resp, err := c.recorder.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", path, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, errors.New(errorMessage(resp))
}

// errorMessage returns the engine's message for a request that it refused.
func errorMessage(resp *http.Response) string {
	var body struct{ Message string }
	_ = json.NewDecoder(io.LimitReader(resp.Body, mostErrorBody)).Decode(&body)
	return cmp.Or(body.Message, resp.Status)
}

// url is where a path of the API is.
func (c *Client) url(path, query string) string {
	host, base := client.DummyHost, ""
	if proto, address, _ := strings.Cut(c.host, "://"); proto == "tcp" {
		host, base, _ = strings.Cut(address, "/")
		base = strings.TrimSuffix("/"+base, "/")
	}
	to := url.URL{Scheme: c.scheme, Host: host, Path: base + path, RawQuery: query}
	return to.String()
}

// mostErrorBody bounds the bytes read of an engine's error.
const mostErrorBody = 64 << 10

// timeoutsOnly corrects the exit codes of probes: Podman reports -1 only for those that timed out, with their output up to then. A probe
// that it cannot run has a code of its own (libpod/healthcheck.go of 5.4).
func timeoutsOnly(probes []worker.Probe) {
	for n := range probes {
		if probes[n].ExitCode == worker.ProbeNotRun {
			probes[n].ExitCode = worker.ProbeTimedOut
		}
	}
}
