package peers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"stoker/sidecar/internal/sanitize"
)

const (
	// MaxAnswer is how many bytes of an answer are read; a larger one is invalid. A worker takes about 1.2 kB.
	MaxAnswer = 4 << 20
	// MaxWorkers is how many workers of a host are kept. The others are counted.
	MaxWorkers = 2000
	// mostCounted is how many are counted: decoding millions of empty ones would cost seconds of CPU.
	mostCounted = 20_000
	maxProblems = 3
	mostName    = 128 // bytes, of a name
	mostText    = 200 // bytes, of other texts
	mostWord    = 40  // bytes, of a fixed value
)

// errNoStoker is what Read returns for an answer in another form.
var errNoStoker = errors.New("the answer is not that of a Stoker")

// Read reads the answer of another Stoker to GET /api/v1/workers. Unknown fields are ignored, as are those that an older Stoker
// does not send. It holds no more than MaxWorkers workers at a time; the caller bounds the bytes and the time.
func Read(from io.Reader) (Report, error) {
	d := json.NewDecoder(from)
	if err := expect(d, '{'); err != nil {
		return Report{}, err
	}
	a := answer{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return Report{}, wrong(err)
		}
		if err := a.field(d, name); err != nil {
			return Report{}, wrong(err)
		}
	}
	if err := expect(d, '}'); err != nil {
		return Report{}, err
	}
	if !a.engineSeen || !a.workersSeen {
		return Report{}, errNoStoker
	}
	return a.report, nil
}

// answer is what was read of one so far.
type answer struct {
	report                  Report
	engineSeen, workersSeen bool
}

func (a *answer) field(d *json.Decoder, name json.Token) error {
	r := &a.report
	switch name {
	case "at":
		return moment(d, &r.At)
	case "host":
		return text(d, &r.called, mostName)
	case "version":
		return text(d, &r.Version, mostWord)
	case "instance":
		return text(d, &r.instance, mostWord)
	case "host_overloaded":
		return d.Decode(&r.Overloaded)
	case "engine":
		var engine struct {
			Connected bool
			Version   string
		}
		err := d.Decode(&engine)
		r.Connected, r.Engine, a.engineSeen = engine.Connected, line(engine.Version, mostWord), true
		return err
	case "workers":
		a.workersSeen = true
		return r.workers(d)
	}
	return d.Decode(&skipped{})
}

// skipped is a value that is not kept.
type skipped struct{}

// UnmarshalJSON takes anything.
func (*skipped) UnmarshalJSON([]byte) error { return nil }

var errTooMany = fmt.Errorf("the answer has more than %d workers", mostCounted)

// workers reads the list of workers one by one: the memory of an answer is bounded by what is kept of it.
func (r *Report) workers(d *json.Decoder) error {
	if err := expect(d, '['); err != nil {
		return err
	}
	r.Workers, r.More = []Worker{}, 0
	for d.More() {
		var w Worker
		if err := d.Decode(&w); err != nil {
			return err
		}
		if len(r.Workers) == MaxWorkers {
			if r.More++; r.More > mostCounted-MaxWorkers {
				return errTooMany
			}
			continue
		}
		r.Workers = append(r.Workers, w.clean())
	}
	return expect(d, ']')
}

// clean returns the worker with nothing in it that a terminal, a page or a table could not take.
func (w Worker) clean() Worker {
	w.Key, w.Service, w.Slot = line(w.Key, mostName), line(w.Service, mostName), line(w.Slot, mostName)
	for _, field := range []*string{&w.State, &w.Status, &w.Health, &w.Held, &w.Fault, &w.Reason, &w.Heal} {
		*field = word(*field)
	}
	if w.State == "" {
		w.State = unknown
	}
	w.StartedAt = year(w.StartedAt)
	w.Attempts = min(max(w.Attempts, 0), 1_000_000)
	w.NextIn, w.CPUs, w.Used, w.Throttled = bounded(w.NextIn), bounded(w.CPUs), optional(w.Used), optional(w.Throttled)
	w.Problems = append([]Problem{}, w.Problems[:min(len(w.Problems), maxProblems)]...)
	for n := range w.Problems {
		p := &w.Problems[n]
		for _, field := range []*string{&p.Label, &p.Value, &p.Message, &p.Nearest} {
			*field = line(*field, mostText)
		}
	}
	return w
}

// word returns one of the fixed values of the API, of this version or another: lower case, digits and dashes. Anything else is none.
func word(text string) string {
	strange := func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') && (r < '0' || r > '9') }
	if len(text) > mostWord || strings.ContainsFunc(text, strange) {
		return ""
	}
	return strings.Clone(text)
}

// line returns text as a line of at most that many bytes.
func line(text string, most int) string {
	return sanitize.Clip(strings.Clone(sanitize.Line(sanitize.Clip(text, most))), most)
}

// bounded returns a number that is not negative and of a size that can be shown.
func bounded(f float64) float64 { return min(max(f, 0), 1e9) }

func optional(f *float64) *float64 {
	if f == nil || math.IsNaN(*f) {
		return nil
	}
	n := bounded(*f)
	return &n
}

func year(t *time.Time) *time.Time {
	if t == nil || t.Year() < 1 || t.Year() > 9999 {
		return nil
	}
	utc := t.UTC()
	return &utc
}

func text(d *json.Decoder, to *string, most int) error {
	var read string
	err := d.Decode(&read)
	*to = line(read, most)
	return err
}

func moment(d *json.Decoder, to **time.Time) error {
	var read *time.Time
	err := d.Decode(&read)
	*to = year(read)
	return err
}

func expect(d *json.Decoder, delimiter json.Delim) error {
	token, err := d.Token()
	if err != nil {
		return wrong(err)
	}
	if token != delimiter {
		return errNoStoker
	}
	return nil
}

// wrong describes what is wrong with an answer. An answer that breaks off is left as it is, so that the caller can distinguish a time limit from garbage.
func wrong(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, errNoStoker) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errNoStoker
	}
	return fmt.Errorf("read the answer: %w", err)
}
