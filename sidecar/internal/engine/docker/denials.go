package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// denial is a call that a socket proxy or an authorization plugin before the engine refuses.
type denial struct {
	call call
	how  string // "answers 403"
}

func (r denial) String() string { return lineOf([]denial{r}) }

// deniedError is the error of a call that was refused.
type deniedError struct {
	doing string
	denial
	err error
}

func (e *deniedError) Error() string { return e.doing + ": " + e.String() }

func (e *deniedError) Unwrap() error { return e.err }

// lineOf returns the log text about denials with the same consequence: which calls, and what to allow.
func lineOf(all []denial) string {
	var names, settings []string
	for _, r := range all {
		names = append(names, r.call.name)
		settings = append(settings, r.call.settings...)
	}
	slices.Sort(settings)
	settings = slices.Compact(settings)
	them := "it"
	if len(all) > 1 {
		them = "them"
	}
	text := fmt.Sprintf("a socket proxy or authorization plugin before the engine %s to %s", all[0].how, strings.Join(names, ", "))
	if without := all[0].call.without; without != "" {
		text += ": " + string(without)
	}
	text += "; allow " + them
	if len(settings) > 0 {
		text += " (docker-socket-proxy: " + strings.Join(settings, " ") + ")"
	}
	return text
}

// denials holds the calls that are refused at present. Each answer updates it.
type denials struct {
	directory directory
	onDenied  func(text string, necessary bool)

	mu      sync.Mutex
	header  bool              // the engine's answers arrive with the header Api-Version
	refused map[string]string // how it is refused, by the call's name
	closed  map[string]int    // calls whose connection was closed without an answer: the value of answers at that time
	answers int
	news    []denial // not reported yet
	quiet   int      // calls of gather whose function was not called yet
}

func newDenials(onDenied func(string, bool)) *denials {
	if onDenied == nil {
		onDenied = func(string, bool) {}
	}
	return &denials{directory: newDirectory(), onDenied: onDenied, refused: map[string]string{}, closed: map[string]int{}}
}

// see records the result of a request. It returns the denial if the request was refused, else nil.
func (r *denials) see(req *http.Request, resp *http.Response, err error) *denial {
	c := r.directory.find(req.Method, req.URL.Path)
	r.mu.Lock()
	how := ""
	switch {
	case err != nil:
		how = r.seeClosed(req.Context(), c, err)
	case resp.Header.Get("Api-Version") != "":
		r.header = true
		r.taken(c)
	case r.notTheEngines(c, resp):
		how = fmt.Sprintf("answers %d", resp.StatusCode)
	case resp.StatusCode < http.StatusBadGateway || resp.StatusCode > http.StatusGatewayTimeout:
		r.taken(c)
	}
	var found *denial
	if how != "" {
		found = &denial{call: c, how: how}
		if r.refused[c.name] == "" && (!c.session || err != nil) { // the session's error does not report a closed connection as a denial
			r.news = append(r.news, *found)
		}
		r.refused[c.name] = how
	}
	r.mu.Unlock()
	r.flush()
	return found
}

// taken records that a call reached the engine.
func (r *denials) taken(c call) {
	delete(r.refused, c.name)
	delete(r.closed, c.name)
	r.answers++
}

// notTheEngines reports whether an answer is a refusal by something before the engine. The engine's own answers carry the header
// Api-Version, whatever their status (seen on 20.10). Those of an authorization plugin do not: in moby, cmd/dockerd/daemon.go, the plugin
// runs before the version header is set. Where a proxy removes the header, the form of the answer decides; a ping's is plain text. 502, 503
// and 504 mean that a proxy cannot reach the engine.
func (r *denials) notTheEngines(c call, resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed:
		return true
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	if resp.StatusCode < http.StatusBadRequest {
		return false
	}
	form, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return r.header || c.without == lacksClock || form != "application/json"
}

// seeClosed handles a connection that was closed without an answer, perhaps by an engine that is shutting down. It is a refusal if the same
// call fails in this way again and other calls were answered between the two.
func (r *denials) seeClosed(ctx context.Context, c call, err error) string {
	if ctx.Err() != nil || !closedOnUs(err) {
		return ""
	}
	before, again := r.closed[c.name]
	r.closed[c.name] = r.answers
	if again && r.answers > before {
		return "closes the connection"
	}
	return ""
}

func closedOnUs(err error) bool {
	if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
		return false
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// maybeDenied reports whether this call alone may have been refused, so that another one can succeed.
func (s *response) maybeDenied() bool { return s.denied != nil || s.err != nil && closedOnUs(s.err) }

// gather holds back the reports until the function that it returns is called.
func (r *denials) gather() (report func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.quiet++
	return func() {
		r.mu.Lock()
		r.quiet--
		r.mu.Unlock()
		r.flush()
	}
}

// flush reports the new denials, in one line for each consequence.
func (r *denials) flush() {
	r.mu.Lock()
	if r.quiet > 0 {
		r.mu.Unlock()
		return
	}
	news := r.news
	r.news = nil
	r.mu.Unlock()
	for _, one := range byLack(news) {
		r.onDenied(lineOf(one), one[0].call.without.necessary())
	}
}

// byLack groups denials that have the same consequence and are refused in the same way.
func byLack(all []denial) [][]denial {
	var groups [][]denial
	for _, l := range append(lacks(), "") {
		group := map[string][]denial{}
		var order []string
		for _, r := range all {
			if r.call.without != l {
				continue
			}
			if group[r.how] == nil {
				order = append(order, r.how)
			}
			group[r.how] = append(group[r.how], r)
		}
		for _, how := range order {
			groups = append(groups, group[how])
		}
	}
	return groups
}

// now returns the calls that are refused, in the order of the list.
func (r *denials) now() []denial {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []denial
	for _, c := range r.directory.all {
		if how := r.refused[c.name]; how != "" {
			all = append(all, denial{call: c, how: how})
		}
	}
	return all
}

// Lacking returns in one line the refused calls that Stoker cannot work without; empty when there are none.
func (c *Client) Lacking() string {
	var lines []string
	for _, group := range byLack(c.denials.now()) {
		if group[0].call.without.necessary() {
			lines = append(lines, lineOf(group))
		}
	}
	return strings.Join(lines, "; ")
}

// noContainer is an ID that no container has.
const noContainer = "0000000000000000000000000000000000000000000000000000000000000000"

// TryCalls sends the calls that Stoker will need, about a container that does not exist. The engine answers that there is no such
// container, so a call that is refused is found before a worker needs it. TryCalls reports new denials to Options.OnDenied, and returns a
// line for each lack. Calls that require an existing object (create, copy, connect) are not tried.
func (c *Client) TryCalls(ctx context.Context) []string {
	defer c.denials.gather()()
	for range 2 { // a closed connection counts from the second time on
		closed := false
		for _, one := range c.trials() {
			closed = c.try(ctx, one[0], one[1]) || closed
		}
		if !closed {
			break
		}
	}
	var lines []string
	for _, group := range byLack(c.denials.now()) {
		lines = append(lines, lineOf(group))
	}
	return lines
}

// trials returns the method and path of each call to try.
func (c *Client) trials() [][2]string {
	const one = "/containers/" + noContainer
	all := [][2]string{
		{http.MethodGet, one + "/json"}, {http.MethodPost, one + "/start"}, {http.MethodPost, one + "/stop"},
		{http.MethodGet, one + "/stats?stream=false"}, {http.MethodGet, one + "/top"}, {http.MethodPost, one + "/update"},
		{http.MethodGet, "/images/" + noContainer + "/json"}, {http.MethodGet, "/volumes/" + noContainer},
		{http.MethodPost, one + "/rename?name=" + noContainer}, {http.MethodDelete, one}, {http.MethodPost, one + "/restart"},
	}
	if c.podman.Load() != nil {
		return append(all, [2]string{http.MethodGet, "/libpod" + one + "/json"})
	}
	return append(all, [2]string{http.MethodGet, "/networks/bridge"})
}

// try sends a request only to see whether it is refused, and reports whether the connection was closed.
func (c *Client) try(ctx context.Context, method, path string) (closed bool) {
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("{}")
	}
	to, query, _ := strings.Cut(path, "?")
	version := c.api.Load().ClientVersion()
	if p := c.podman.Load(); p != nil && strings.HasPrefix(path, "/libpod") {
		version = p.version
	}
	req, err := http.NewRequestWithContext(ctx, method, c.url("/v"+version+to, query), body)
	if err != nil {
		return false
	}
	req.Header.Set("User-Agent", c.agent())
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.recorder.RoundTrip(req)
	if err != nil {
		return ctx.Err() == nil && closedOnUs(err)
	}
	_ = resp.Body.Close()
	return false
}
