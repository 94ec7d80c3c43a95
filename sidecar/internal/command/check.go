package command

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

const (
	// checkTimeout bounds the whole command, inspectTimeout one inspect.
	checkTimeout   = 2 * time.Minute
	inspectTimeout = 10 * time.Second
)

// containerReport is the result for one container.
type containerReport struct {
	Worker   worker.Key    `json:"worker"`
	ID       string        `json:"id"`
	Status   worker.Status `json:"status"`
	Health   worker.Health `json:"health"`
	ExitCode int           `json:"exit_code"`
	Probe    *probeReport  `json:"probe"` // null without stoker.probe, or where it is not probed
	evaluation

	member groupMember // without a demand where it belongs to no group
}

// members are the workers as their groups see them.
func (r report) members() []groupMember {
	var all []groupMember
	for _, f := range r.Workers {
		all = append(all, f.member)
	}
	return all
}

// report is the result of check.
type report struct {
	Workers    []containerReport `json:"workers"`
	Ignored    []containerReport `json:"ignored"`    // with labels of Stoker or of a similar healer
	Unlabelled int               `json:"unlabelled"` // containers without such labels
	Services   []swarmReport     `json:"services"`   // of the Swarm that the engine is a manager of, with labels of Stoker
	Groups     []groupReport     `json:"groups"`     // whose number of workers depends on their work or on the hours
	Plan       plan              `json:"plan"`
	Problems   int               `json:"problems"`
	Caveat     string            `json:"caveat,omitempty"` // of an engine on which not everything works
	Denied     []string          `json:"denied,omitempty"` // calls of Stoker's that something before the engine refuses

	lacking string // those of them without which Stoker cannot do its work
}

func newCheck(env Env) *cobra.Command {
	var asked checkFlags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Show which containers Stoker manages and why, what is wrong with their labels, and what could be better",
		Long: "Asks the engine for all containers and shows which of them a Stoker with this environment manages and why,\n" +
			"what is wrong with their labels, and what could be better. Each source of work is asked once, and its answer is shown;\n" +
			"each worker with stoker.probe is probed once.\n" +
			"It changes nothing and needs no running Stoker.\n\n" +
			"With --compose it shows the same for a stack that does not run yet, and needs no engine: for one compose file or\n" +
			"several, as docker compose reads them. The settings of a Stoker among the services apply.\n\n" +
			"Exit code 0: nothing is wrong, though there may be advice. 1: problems, or the engine does not answer.\n" +
			"2: bad usage, a bad environment, or a compose file that cannot be read.",
		Example: "  stoker check\n" +
			"  stoker check -f compose.yaml -f compose.prod.yaml\n" +
			"  docker compose config | stoker check -f -",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := asked.valid(); err != nil {
				return err
			}
			if len(asked.files) > 0 {
				return env.checkCompose(cmd.Context(), asked)
			}
			return env.check(cmd.Context(), asked.json)
		},
	}
	cmd.Flags().StringArrayVarP(&asked.files, "compose", "f", nil, "a compose file to check instead of the engine's containers; - reads the standard input; may be repeated")
	cmd.Flags().StringArrayVar(&asked.profiles, "profile", nil, "a profile of the compose files to ask for; may be repeated")
	addJSON(cmd, &asked.json)
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
		e.warn(e.Explain(err))
		return &ending{code: exitFailed}
	}
	all := inspector{engine: engine, config: c, self: e.Self()}.inspect(ctx, listed)
	all.Plan, all.Caveat = planOf(about.CPUs, all.loads()), about.Caveat
	all.Groups = groupsOf(c, all.members())
	all.Problems += e.askSources(ctx, all.Groups)
	all.Problems += e.probeWorkers(ctx, engine, all.Workers)
	all.Services = servicesOf(c, engine.Services(ctx))
	for _, s := range all.Services {
		all.Problems += len(s.Problems)
	}
	all.Denied = engine.TryCalls(ctx)
	if all.lacking = engine.Lacking(); all.lacking != "" {
		all.Problems++
	}
	return e.print(asJSON, all, func() error { return e.output(e.reportText(all)) }, all.Problems)
}

// print prints a report as JSON or as text, and returns an error if it has problems.
func (e Env) print(asJSON bool, found any, draw func() error, problems int) error {
	if asJSON {
		draw = func() error { return e.printJSON(found) }
	}
	if err := draw(); err != nil || problems == 0 {
		return err
	}
	return &ending{code: exitFailed}
}

// listAll asks for the engine's version first: the error for a wrong API version, or for a proxy that is no engine, is clearest
// there.
func listAll(ctx context.Context, engine Engine) (worker.Engine, []worker.Observation, error) {
	about, err := engine.Engine(ctx)
	if err != nil {
		return about, nil, err
	}
	listed, err := engine.List(ctx)
	return about, listed, err
}

// inspector makes reports about containers.
type inspector struct {
	engine Engine
	config config.Config
	self   string
}

func (i inspector) inspect(ctx context.Context, listed []worker.Observation) report {
	all := report{Workers: []containerReport{}, Ignored: []containerReport{}}
	for _, o := range listed {
		f, ok := i.find(ctx, o)
		if !ok {
			continue
		}
		all.Problems += len(f.Problems)
		switch f.place(o.Labels) {
		case placeManaged:
			all.Workers = append(all.Workers, f)
		case placeIgnored:
			all.Ignored = append(all.Ignored, f)
		case placeUnlabelled:
			all.Unlabelled++
		}
	}
	byName := func(a, b containerReport) int { return cmp.Compare(a.Worker, b.Worker) }
	slices.SortFunc(all.Workers, byName)
	slices.SortFunc(all.Ignored, byName)
	return all
}

// find reports about one container; not ok when it is gone by now, or is Stoker itself.
func (i inspector) find(ctx context.Context, o worker.Observation) (containerReport, bool) {
	if o.ID == i.self {
		return containerReport{}, false
	}
	f := containerReport{Worker: o.Key, ID: o.ID, Status: o.Status, Health: o.Health}
	reading := i.config.Rules.Read(policy.Candidate{Labels: o.Labels})
	if !reading.Take && !reading.Undecided {
		f.evaluation = evaluate(i.config, reading, o.Labels)
		return f, true
	}
	out := i.look(ctx, o)
	switch s := out.Snapshot; {
	case out.Missing:
		return containerReport{}, false
	case s == nil:
		f.evaluation = evaluate(i.config, reading, o.Labels)
		f.Problems = append(f.Problems, "cannot be inspected: "+out.Err)
	default:
		reading = i.config.Rules.Read(policy.Candidate{Labels: s.Labels, CPUs: s.CPUs, QuotaKnown: true})
		f.evaluation = evaluate(i.config, reading, s.Labels)
		f.see(i.config, reading.Policy, *s)
	}
	return f, true
}

func (i inspector) look(ctx context.Context, o worker.Observation) worker.Outcome {
	return i.engine.Do(ctx, worker.Action{
		Key: o.Key, Incarnation: worker.Incarnation{ID: o.ID}, Verb: worker.Inspect, Deadline: inspectTimeout,
	})
}

// see adds the results of an inspect.
func (f *containerReport) see(c config.Config, p policy.Policy, s worker.Snapshot) {
	f.Status, f.Health, f.ExitCode, f.CPUs = s.Status, s.Health, s.ExitCode, s.CPUs
	f.Restart, f.promised = restart(s.RestartPolicy), s.CPUs
	f.judgeLimit(p, s.MemoryLimit)
	if f.Managed && f.Held == worker.HeldNot {
		group, _ := policy.Group(s.Labels, string(f.Worker))
		f.member = groupMember{name: string(f.Worker), group: group, demand: p.Demand, cpus: s.CPUs, count: 1, advice: adviseOnSleep(p, s.RestartPolicy, s.AutoRemove)}
	}
	if f.Managed {
		f.promised = promised(p, s.CPUs)
		f.planProbe(p, s)
		f.Advice = append(f.Advice, advise(c, f.Why, p, s)...)
	}
}
