package command

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/lifecycle"
	"stoker/sidecar/internal/policy"
)

const (
	// checkTimeout bounds the whole command, lookTimeout one inspect.
	checkTimeout = 2 * time.Minute
	lookTimeout  = 10 * time.Second
)

// finding is what check says of one container.
type finding struct {
	Worker   lifecycle.Key    `json:"worker"`
	ID       string           `json:"id"`
	Taken    bool             `json:"taken"`
	Why      policy.Why       `json:"why"`
	Held     lifecycle.Reason `json:"held"` // never touched, although taken
	Status   lifecycle.Status `json:"status"`
	Health   lifecycle.Health `json:"health"`
	ExitCode int              `json:"exit_code"`
	CPUs     float64          `json:"cpus"`
	Restart  string           `json:"restart_policy"`
	Problems []string         `json:"problems"`
	Advice   []string         `json:"advice"`
}

// findings is all that check says.
type findings struct {
	Workers  []finding `json:"workers"`
	LeftOut  []finding `json:"left_out"` // with labels of Stoker or of a healer like it
	Others   int       `json:"others"`   // containers that say nothing to Stoker
	Plan     plan      `json:"plan"`
	Problems int       `json:"problems"`
}

func newCheck(env Env) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Say which containers Stoker looks after and why, what is wrong with their labels, and what could be better",
		Long: "Asks the engine for all containers and says which of them a Stoker with this environment looks after and why,\n" +
			"what is wrong with their labels, and what could be better. It changes nothing and needs no Stoker that runs.\n" +
			"Exit code 0: nothing is wrong, though there may be advice. 1: problems, or the engine does not answer.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return env.check(cmd.Context(), asJSON) },
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func (e Env) check(ctx context.Context, asJSON bool) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	engine, err := e.Connect(c, e.Build)
	if err != nil {
		return BadConfiguration(err)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	about, listed, err := listAll(ctx, engine)
	if err != nil {
		e.complain(e.Explain(err))
		return &ending{code: exitFailed}
	}
	all := inspector{engine: engine, config: c, self: e.Self()}.inspect(ctx, listed)
	all.Plan = planOf(about.CPUs, all.Workers)
	if asJSON {
		err = e.printJSON(all)
	} else {
		err = written(report(e.Stdout, e.Width, all))
	}
	if err == nil && all.Problems > 0 {
		return &ending{code: exitFailed}
	}
	return err
}

// listAll asks the engine what it is before it asks for anything else: that is where a wrong API version or a proxy that
// is no engine shows itself in so many words.
func listAll(ctx context.Context, engine Engine) (lifecycle.Engine, []lifecycle.Observation, error) {
	about, err := engine.Engine(ctx)
	if err != nil {
		return about, nil, err
	}
	listed, err := engine.List(ctx)
	return about, listed, err
}

// inspector turns containers into findings.
type inspector struct {
	engine Engine
	config config.Config
	self   string
}

func (i inspector) inspect(ctx context.Context, listed []lifecycle.Observation) findings {
	all := findings{Workers: []finding{}, LeftOut: []finding{}}
	for _, o := range listed {
		f, ok := i.find(ctx, o)
		switch {
		case !ok:
		case f.Taken:
			all.Workers = append(all.Workers, f)
			all.Problems += len(f.Problems)
		case speaksToHealers(o.Labels):
			all.LeftOut = append(all.LeftOut, f)
			all.Problems += len(f.Problems)
		default:
			all.Others++
		}
	}
	byName := func(a, b finding) int { return cmp.Compare(a.Worker, b.Worker) }
	slices.SortFunc(all.Workers, byName)
	slices.SortFunc(all.LeftOut, byName)
	return all
}

// find is what there is to say of one container; not ok when it is gone by now, or is Stoker itself.
func (i inspector) find(ctx context.Context, o lifecycle.Observation) (finding, bool) {
	if o.ID == i.self {
		return finding{}, false
	}
	reading := i.config.Rules.Read(policy.Candidate{Labels: o.Labels})
	f := finding{Worker: o.Key, ID: o.ID, Status: o.Status, Health: o.Health, Problems: []string{}, Advice: []string{}}
	var snapshot *lifecycle.Snapshot
	if reading.Take || reading.Undecided {
		out := i.look(ctx, o)
		if out.Missing {
			return finding{}, false
		}
		if out.Snapshot == nil {
			f.Problems = append(f.Problems, "cannot be inspected: "+out.Err)
		}
		snapshot = out.Snapshot
	}
	if snapshot != nil {
		reading = i.config.Rules.Read(policy.Candidate{Labels: snapshot.Labels, CPUs: snapshot.CPUs, QuotaKnown: true})
		f.see(*snapshot)
	}
	f.Taken, f.Why, f.Held = reading.Take, reading.Why, barred(reading, o.Labels)
	for _, p := range reading.Problems {
		f.Problems = append(f.Problems, tell(p))
	}
	f.Advice = append(f.Advice, adviseOnLabels(i.config, f, o.Labels)...)
	if f.Taken && snapshot != nil {
		f.Advice = append(f.Advice, advise(i.config, reading.Policy, *snapshot)...)
	}
	return f, true
}

func (i inspector) look(ctx context.Context, o lifecycle.Observation) lifecycle.Outcome {
	return i.engine.Do(ctx, lifecycle.Action{
		Key: o.Key, Incarnation: lifecycle.Incarnation{ID: o.ID}, Verb: lifecycle.Look, Deadline: lookTimeout,
	})
}

func (f *finding) see(s lifecycle.Snapshot) {
	f.Status, f.Health, f.ExitCode, f.CPUs = s.Status, s.Health, s.ExitCode, s.CPUs
	f.Restart = restart(s.RestartPolicy)
}

// barred is why a container that is taken in is never touched.
func barred(r policy.Reading, labels map[string]string) lifecycle.Reason {
	switch {
	case !r.Take:
		return lifecycle.HeldNot
	case policy.SwarmTask(labels):
		return lifecycle.HeldSwarm
	case policy.OneOff(labels):
		return lifecycle.HeldOneOff
	case len(r.Problems) > 0:
		return lifecycle.HeldBadLabels
	}
	return lifecycle.HeldNot
}

// speaksToHealers tells whether someone put a label on the container that is meant for Stoker or for a healer whose labels
// Stoker understands.
func speaksToHealers(labels map[string]string) bool {
	for key := range labels {
		key = strings.ToLower(strings.TrimSpace(key))
		if strings.HasPrefix(key, "stoker.") || key == "autoheal" || strings.HasPrefix(key, "autoheal.") || strings.HasPrefix(key, "deunhealth.") {
			return true
		}
	}
	return false
}
