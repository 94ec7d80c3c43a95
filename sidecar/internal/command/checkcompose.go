package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/composefile"
	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// hostTimeout is how long an engine may take to say how many CPUs its host has: check --compose needs none.
const hostTimeout = 2 * time.Second

// planned is what check says of one service of a compose file.
type serviceReport struct {
	Service  string `json:"service"`
	Replicas int    `json:"replicas"` // that compose up makes; 0 in a profile that is not asked for
	evaluation
}

// stokerHere is a Stoker that the files themselves describe.
type stokerHere struct {
	Service  string   `json:"service"`
	Settings []string `json:"settings"` // that decide about labels, and that the environment does not overrule
	Problems []string `json:"problems"` // for which it would not start
}

// draft is all that check says of compose files.
type stackReport struct {
	Services   []serviceReport `json:"services"`
	Ignored    []serviceReport `json:"ignored"`    // with labels of Stoker or of a similar healer
	Unlabelled int             `json:"unlabelled"` // services without such labels
	Stokers    []stokerHere    `json:"stokers"`
	Plan       plan            `json:"plan"`
	Problems   int             `json:"problems"`
}

func (e Env) checkCompose(ctx context.Context, asked checkFlags) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	stack, err := composefile.Read(ctx, composefile.Source{Files: asked.files, Profiles: asked.profiles, Environ: e.Environ})
	if err != nil {
		return BadConfiguration(err)
	}
	for _, line := range stack.Warnings {
		e.warn(line)
	}
	d := e.stackReport(c, stack)
	d.Plan = planOf(e.hostCPUs(ctx, c), d.loads())
	d.Plan.draft = true
	return e.judged(asked.json, d, func() error { return e.say(e.stackText(d)) }, d.Problems)
}

// hostCPUs is 0 when no engine answers.
func (e Env) hostCPUs(ctx context.Context, c config.Config) int {
	engine, err := e.Connect(c, e.Build)
	if err != nil {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	about, err := engine.Engine(ctx)
	if err != nil {
		return 0
	}
	return about.CPUs
}

// draft judges the services as the Stoker of c would, or as the one in the files would where c leaves it open.
func (e Env) stackReport(c config.Config, stack composefile.Stack) stackReport {
	d := stackReport{Services: []serviceReport{}, Ignored: []serviceReport{}, Stokers: []stokerHere{}}
	var workers, stokers []composefile.Service
	for _, s := range stack.Services {
		if isStoker(s) {
			stokers = append(stokers, s)
		} else {
			workers = append(workers, s)
		}
	}
	for _, s := range stokers {
		here, merged := e.stokerHere(s)
		if d.Problems += len(here.Problems); len(stokers) == 1 && len(here.Problems) == 0 {
			c = merged
		}
		d.Stokers = append(d.Stokers, here)
	}
	for _, s := range workers {
		p := plannedOf(c, s)
		d.Problems += len(p.Problems)
		switch p.place(s.Labels) {
		case placeManaged:
			d.Services = append(d.Services, p)
		case placeIgnored:
			d.Ignored = append(d.Ignored, p)
		case placeUnlabelled:
			d.Unlabelled++
		}
	}
	return d
}

func isStoker(s composefile.Service) bool {
	image, _, _ := strings.Cut(path.Base(s.Image), ":")
	return image == "stoker" || len(s.Settings) > 0
}

// stokerHere reads a Stoker's environment as that Stoker will, save its files, which are elsewhere. The configuration is that
// of its settings with the environment of this command over them, and good only without problems.
func (e Env) stokerHere(s composefile.Service) (stokerHere, config.Config) {
	here := stokerHere{Service: s.Name, Settings: []string{}, Problems: []string{}}
	loader := config.Loader{ReadFile: func(string) ([]byte, error) { return []byte("https://elsewhere.invalid"), nil }}
	var own []string
	for _, name := range slices.Sorted(maps.Keys(s.Settings)) {
		own = append(own, name+"="+s.Settings[name])
		if s.Settings[name] != "" && decides(name) && e.variable(name) == "" {
			here.Settings = append(here.Settings, name+"="+s.Settings[name])
		}
	}
	_, problems := loader.Load(own)
	for _, p := range problems {
		here.Problems = append(here.Problems, p.String())
	}
	merged, problems := loader.Load(slices.Concat(here.Settings, e.given()))
	if len(problems) > 0 && len(here.Problems) == 0 {
		here.Problems = append(here.Problems, "does not go with the environment of this command: "+problems[0].String())
	}
	return here, merged
}

// given is the environment without what is set to nothing, which counts as not set.
func (e Env) given() []string {
	return slices.DeleteFunc(slices.Clone(e.Environ), func(v string) bool { return strings.HasSuffix(v, "=") })
}

// decides reports whether a variable has a part in what check says.
func decides(name string) bool {
	switch name {
	case "STOKER_SELECT", "STOKER_SCOPE", "STOKER_COMPAT", "STOKER_REQUIRE_QUOTA":
		return true
	}
	return slices.ContainsFunc(policy.Labels(), func(l policy.Label) bool { return l.Env == name })
}

func plannedOf(c config.Config, s composefile.Service) serviceReport {
	reading := c.Rules.Read(policy.Candidate{Labels: s.Labels, CPUs: s.CPUs, QuotaKnown: true})
	p := serviceReport{Service: s.Name, Replicas: s.Replicas, evaluation: evaluate(c, reading, s.Labels)}
	p.CPUs, p.Restart = s.CPUs, restart(s.Restart)
	p.Problems = append(p.Problems, misplaced(s)...)
	if s.Clash {
		p.Problems = append(p.Problems, "cpus and cpu_quota or cpu_period exclude each other: the engine refuses such a container; keep cpus")
	}
	if len(s.Unasked) > 0 {
		p.Replicas = 0
	}
	if p.Managed {
		p.Advice = append(p.Advice, adviseOnService(s)...)
		p.Advice = append(p.Advice, adviseOnQuota(c, reading.Policy, s.CPUs)...)
		p.Advice = append(p.Advice, adviseOnEnd(reading.Policy, s)...)
	}
	return p
}

// misplaced finds the labels that are meant for Stoker and stand where they are a Swarm service's.
func misplaced(s composefile.Service) []string {
	var lost []string
	for _, key := range slices.Sorted(maps.Keys(s.Swarm)) {
		if _, also := s.Labels[key]; !also && hasHealerLabels(map[string]string{key: ""}) {
			lost = append(lost, key+"="+s.Swarm[key]+": is in deploy.labels, which compose puts on no container; move it to labels")
		}
	}
	return lost
}

func adviseOnService(s composefile.Service) []string {
	var advice []string
	switch s.Health {
	case composefile.HealthOff:
		advice = append(advice, noHealthCheck)
	case composefile.HealthUnsaid:
		advice = append(advice, "no health check here, and whether the image has one cannot be seen from here: without one a worker that hangs looks alive")
	case composefile.HealthOn:
	}
	switch {
	case len(s.Unasked) > 0:
		advice = append(advice, fmt.Sprintf("is left out by compose up unless a profile is asked for: --profile %s", s.Unasked[0]))
	case s.Replicas == 0:
		advice = append(advice, "has 0 replicas: compose up makes no container of it")
	}
	return advice
}

// adviseOnEnd is about services that are meant to end, and about Docker's restart policy.
func adviseOnEnd(p policy.Policy, s composefile.Service) []string {
	advice := adviseOnRestart(p, s.Restart)
	if s.Awaited && p.OnExit == policy.OnExitAlways && len(advice) == 0 {
		advice = append(advice, "another service waits for it to complete, and stoker.on-exit=always starts it again after that: "+
			"stoker.on-exit=failure lets it end")
	}
	return advice
}

// loads is what the services take once they are up.
func (d stackReport) loads() []load {
	var all []load
	for _, p := range d.Services {
		all = append(all, load{cpus: p.CPUs, containers: p.Replicas})
	}
	return all
}

func (f report) loads() []load {
	var all []load
	for _, w := range f.Workers {
		if w.Status == worker.StatusRunning {
			all = append(all, load{cpus: w.CPUs, containers: 1})
		}
	}
	return all
}

// checkFlags is what check was asked.
type checkFlags struct {
	files, profiles []string
	json            bool
}

func (f checkFlags) valid() error {
	if len(f.files) == 0 && len(f.profiles) > 0 {
		return BadConfiguration(errors.New("--profile is about compose files: name them with --compose"))
	}
	return nil
}
