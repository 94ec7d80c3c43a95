package dockertest

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	api "github.com/docker/docker/api/types/container"
)

// execs are the commands that were prepared in containers, by their IDs.
type execs struct {
	mu  sync.Mutex
	all map[string]*execution
}

// execution is one command.
type execution struct {
	container string
	words     []string
	running   bool
	code      int
}

// What a command does on the fake engine. Any other program does not exist.
const (
	ExecHang   = "hang"    // it goes on until the container ends
	ExecFork   = "fork"    // it ends, and a child holds the output open
	ExecFlood  = "flood"   // prints as many bytes as the next argument
	ExecExit   = "exit"    // ends with the next argument as its code
	ExecWorker = "/worker" // the sample worker: signal QUIT ends the container's process, and has it print its stacks
)

// top is the list of processes: a fake container has one.
func (h *handler) top(w http.ResponseWriter, r *http.Request) {
	reply, ok := h.ask(w, r, Request{Op: OpInspect, Ref: r.PathValue("id")})
	switch {
	case !ok:
	case !reply.Details.Running:
		h.fail(w, refuse(http.StatusConflict, "Container %s is not running", reply.Details.ID))
	default:
		h.write(w, http.StatusOK, api.TopResponse{
			Titles: []string{"PID", "PPID", "STAT", "ELAPSED", "TIME", "COMMAND"}, Processes: [][]string{{"4711", "4690", "Ssl", "01:00", "00:00:01", "worker"}},
		})
	}
}

// logs is what all lives have printed, in frames as the engine sends them.
func (h *handler) logs(w http.ResponseWriter, r *http.Request) {
	reply, ok := h.ask(w, r, Request{Op: OpInspect, Ref: r.PathValue("id")})
	if !ok {
		return
	}
	until, limited := time.Time{}, false
	if text := r.URL.Query().Get("until"); text != "" {
		seconds, fraction, _ := strings.Cut(text, ".")
		s, _ := strconv.ParseInt(seconds, 10, 64)
		ns, _ := strconv.ParseInt(fraction, 10, 64)
		until, limited = time.Unix(s, ns), true
	}
	var lines []string
	h.server.With(func(world *World) {
		c := world.find(reply.Details.ID)
		if c == nil {
			return
		}
		skew := world.EngineNow().Sub(world.now)
		for _, l := range c.lives {
			if limited && l.Began.Add(skew).After(until) {
				return
			}
			lines = append(lines, "life of "+l.Name+" begins")
			if !l.Ended.IsZero() && l.ExitCode == dumpCode {
				lines = append(lines, "SIGQUIT: quit", "goroutine 1 [select]:")
			}
		}
	})
	w.WriteHeader(http.StatusOK)
	for _, line := range lines {
		_, _ = w.Write(frame(line + "\n"))
	}
}

// dumpCode is the exit code of a Go program that SIGQUIT ended.
const dumpCode = 2

func frame(text string) []byte {
	header := [8]byte{1}
	binary.BigEndian.PutUint32(header[4:], uint32(len(text))) //nolint:gosec // short
	return append(header[:], text...)
}

func (h *handler) execCreate(w http.ResponseWriter, r *http.Request) {
	var body struct{ Cmd []string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || len(body.Cmd) == 0 {
		h.fail(w, refuse(http.StatusBadRequest, "no command"))
		return
	}
	reply, ok := h.ask(w, r, Request{Op: OpInspect, Ref: r.PathValue("id")})
	switch {
	case !ok:
		return
	case !reply.Details.Running:
		h.fail(w, refuse(http.StatusConflict, "Container %s is not running", reply.Details.ID))
		return
	}
	e := &h.server.execs
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.all == nil {
		e.all = map[string]*execution{}
	}
	id := longID(uint64(len(e.all)) + 4711)
	e.all[id] = &execution{container: reply.Details.ID, words: body.Cmd}
	h.write(w, http.StatusCreated, map[string]string{"Id": id})
}

func (h *handler) execStart(w http.ResponseWriter, r *http.Request) {
	e := &h.server.execs
	e.mu.Lock()
	x := e.all[r.PathValue("id")]
	if x == nil {
		e.mu.Unlock()
		h.fail(w, refuse(http.StatusNotFound, "No such exec instance: %s", r.PathValue("id")))
		return
	}
	x.running = true
	e.mu.Unlock()
	w.Header().Set("Content-Type", "application/vnd.docker.raw-stream")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	h.execute(w, r, x)
}

func (h *handler) execute(w http.ResponseWriter, r *http.Request, x *execution) {
	end := func(code int) {
		h.server.execs.mu.Lock()
		x.running, x.code = false, code
		h.server.execs.mu.Unlock()
	}
	argument := ""
	if len(x.words) > 1 {
		argument = x.words[1]
	}
	number, _ := strconv.Atoi(argument)
	switch x.words[0] {
	case ExecHang:
		h.untilGone(r, x)
		end(137)
	case ExecFork:
		_, _ = w.Write(frame("forked\n"))
		_ = http.NewResponseController(w).Flush()
		end(0)
		h.untilGone(r, x)
	case ExecFlood:
		piece := frame(strings.Repeat("x", 1<<16-1) + "\n")
		for sent := 0; sent < number; sent += 1 << 16 {
			if _, err := w.Write(piece); err != nil {
				return // without a reader it goes on
			}
		}
		end(0)
	case ExecExit:
		_, _ = w.Write(frame("exits with " + argument + "\n"))
		end(number)
	case ExecWorker:
		_, _ = w.Write(frame("sent\n"))
		if argument != "signal" {
			end(0)
			return
		}
		h.server.With(func(world *World) {
			world.strike(x.container, func(p *process) {
				p.exit.by = ByStoker
				p.endAfter(0, dumpCode, false)
			})
		})
		end(0)
	default:
		_, _ = w.Write(frame(fmt.Sprintf("OCI runtime exec failed: exec failed: unable to start container process: exec: %q: no such file or directory: unknown\r\n", x.words[0])))
		end(126)
	}
}

// untilGone returns when the client is gone or the container does not run.
func (h *handler) untilGone(r *http.Request, x *execution) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for running := true; running; {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			running = false // a world that is closed has no containers
			h.server.With(func(world *World) {
				c := world.find(x.container)
				running = c != nil && c.Running
			})
		}
	}
}

func (h *handler) execInspect(w http.ResponseWriter, r *http.Request) {
	e := &h.server.execs
	e.mu.Lock()
	defer e.mu.Unlock()
	x := e.all[r.PathValue("id")]
	if x == nil {
		h.fail(w, refuse(http.StatusNotFound, "No such exec instance: %s", r.PathValue("id")))
		return
	}
	answer := map[string]any{"ID": r.PathValue("id"), "Running": x.running, "ContainerID": x.container, "ExitCode": nil}
	if !x.running {
		answer["ExitCode"] = x.code
	}
	h.write(w, http.StatusOK, answer)
}
