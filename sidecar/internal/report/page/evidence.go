package page

import (
	"strconv"
	"strings"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

// evidence is what was kept of one heal.
type evidence struct {
	ID   string // the same in the next answer
	At   instant
	What string // which heal
	Text string
}

func (r request) evidenceOf(key worker.Key) []evidence {
	var all []evidence
	for _, h := range r.evidence(key) {
		what := []string{}
		for _, word := range []string{string(h.Heal), string(h.Fault), string(h.Reason)} {
			if word != "" {
				what = append(what, word)
			}
		}
		all = append(all, evidence{
			ID: "evidence " + strconv.FormatUint(h.HealID, 36) + strconv.FormatInt(h.At.UnixNano(), 36), At: instantOf(h.At, r.now),
			What: sanitize.Line(strings.Join(what, ", ")), Text: h.Text(),
		})
	}
	return all
}
