package web

import (
	"net/http"
	"time"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// evidenceJSON is what is kept of the last heals of a worker, newest first.
type evidenceJSON struct {
	Worker worker.Key `json:"worker"`
	Heals  []healJSON `json:"heals"`
}

// healJSON is one heal. Parts of the evidence that there are not are left out.
type healJSON struct {
	HealID    uint64            `json:"heal_id"`
	At        *time.Time        `json:"at"`
	Container string            `json:"container"`
	Fault     worker.Fault      `json:"fault"`
	Reason    worker.Reason     `json:"reason"`
	Heal      worker.HealAction `json:"heal"`
	Attempt   int               `json:"attempt"`
	worker.HealEvidence
}

// evidence answers also for a worker that is gone: what it left may show why.
func (s *site) evidence(w http.ResponseWriter, r *http.Request) {
	key := worker.Key(r.PathValue("key"))
	all := evidenceJSON{Worker: key, Heals: []healJSON{}}
	for _, h := range s.opts.History.Evidence(key) {
		all.Heals = append(all.Heals, healOf(h))
	}
	write(w, http.StatusOK, all)
}

func healOf(h history.Heal) healJSON {
	return healJSON{
		HealID: h.HealID, At: moment(h.At), Container: h.Container, Fault: h.Fault, Reason: h.Reason, Heal: h.Heal, Attempt: h.Attempt,
		HealEvidence: h.Evidence,
	}
}
