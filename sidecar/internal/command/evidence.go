package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// keptHeal is the API's answer about one heal.
type keptHeal struct {
	HealID  uint64            `json:"heal_id"`
	At      time.Time         `json:"at"`
	Fault   worker.Fault      `json:"fault"`
	Reason  worker.Reason     `json:"reason"`
	Heal    worker.HealAction `json:"heal"`
	Attempt int               `json:"attempt"`
	worker.HealEvidence
}

// evidence shows what is kept of the last heals of one worker, the newest last.
func (e Env) evidence(ctx context.Context, ask past) error {
	if ask.worker == "" || ask.watch {
		return BadConfiguration(errors.New("--evidence: name one WORKER, and leave --watch out"))
	}
	s, err := e.sidecar(ask.url)
	if err != nil {
		return err
	}
	text, err := s.get(ctx, "/api/v1/workers/"+url.PathEscape(ask.worker)+"/evidence")
	if err != nil {
		return failed(err)
	}
	if ask.json {
		return e.relay(text)
	}
	var kept struct{ Heals []keptHeal }
	if err := json.Unmarshal(text, &kept); err != nil {
		return failed(fmt.Errorf("read the answer: %w", err))
	}
	if len(kept.Heals) == 0 {
		return e.output("nothing is kept: no heal of a running worker yet, or stoker.evidence is off\n")
	}
	now := time.Now()
	for n, h := range slices.Backward(kept.Heals) {
		if err := e.output(e.healText(h, now)); err != nil {
			return err
		}
		if n > 0 {
			if err := e.output("\n"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e Env) healText(h keptHeal, now time.Time) string {
	words := []string{e.when(h.At, now)}
	for _, word := range []string{string(h.Heal), string(h.Fault), string(h.Reason)} {
		if word != "" {
			words = append(words, word)
		}
	}
	if h.Attempt > 0 {
		words = append(words, fmt.Sprintf("attempt %d", h.Attempt))
	}
	body := history.Heal{Evidence: h.HealEvidence}.Text()
	return harmless(strings.Join(words, ", ")) + "\n  " + strings.ReplaceAll(strings.TrimRight(body, "\n"), "\n", "\n  ") + "\n"
}
