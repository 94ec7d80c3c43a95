package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"stoker/sidecar/internal/composefile"
	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// hostTimeout bounds the request for the number of the host's CPUs: check --compose works without it.
const hostTimeout = 2 * time.Second

// serviceReport is the result for one service of a compose file.
type serviceReport struct {
	Service  string `json:"service"`
	Replicas int    `json:"replicas"` // that compose up creates; 0 in an inactive profile
	evaluation

	member groupMember // without a demand where it belongs to no group
}

// stokerHere is a Stoker that the files describe.
type stokerHere struct {
	Service  string   `json:"service"`
	Settings []string `json:"settings"` // that matter for labels, and that the environment does not override
	Problems []string `json:"problems"` // that keep it from starting
}

// stackReport is the result of check for compose files.
type stackReport struct {
	Services   []serviceReport `json:"services"`
	Ignored    []serviceReport `json:"ignored"`    // with labels of Stoker or of a similar healer
	Unlabelled int             `json:"unlabelled"` // services without such labels
	Stokers    []stokerHere    `json:"stokers"`
	Groups     []groupReport   `json:"groups"` // whose number of workers depends on their work or on the hours; sources are not asked
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
	return e.print(asked.json, d, func() error { return e.output(e.stackText(d)) }, d.Problems)
}

// hostCPUs returns 0 when no engine answers.
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

// stackReport evaluates the services with c, and where c sets nothing with the settings of the Stoker in the files.
func (e Env) stackReport(c config.Config, stack composefile.Stack) stackReport {
	d := stackReport{Services: []serviceReport{}, Ignored: []serviceReport{}, Stokers: []stokerHere{}}
	var workers, stokers []composefile.Service
	for _, s := range stack.Services {
		if s.IsStoker() {
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
		p := plannedOf(c, s, stokers)
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
	var members []groupMember
	for _, p := range d.Services {
		members = append(members, p.member)
	}
	d.Groups = groupsOf(c, members)
	for _, g := range d.Groups {
		d.Problems += len(g.Problems)
	}
	return d
}

// stokerHere reads a Stoker's environment as that Stoker will, except its files, which are elsewhere. The configuration is made of
// its settings and the environment of this command, which wins. It is valid only without problems.
func (e Env) stokerHere(s composefile.Service) (stokerHere, config.Config) {
	here := stokerHere{Service: s.Name, Settings: []string{}, Problems: []string{}}
	loader := config.Loader{ReadFile: func(path string) ([]byte, error) { return elsewhere(s.Settings, path), nil }}
	var own, deciding []string
	for _, name := range slices.Sorted(maps.Keys(s.Settings)) {
		own = append(own, name+"="+s.Settings[name])
		if s.Settings[name] != "" && decides(name) && e.variable(name) == "" {
			deciding = append(deciding, name+"="+s.Settings[name])
			here.Settings = append(here.Settings, shownSetting(name, s.Settings[name]))
		}
	}
	_, problems := loader.Load(own)
	for _, p := range problems {
		here.Problems = append(here.Problems, p.String())
	}
	merged, problems := loader.Load(slices.Concat(deciding, e.given()))
	if len(problems) > 0 && len(here.Problems) == 0 {
		here.Problems = append(here.Problems, "does not go with the environment of this command: "+problems[0].String())
	}
	return here, merged
}

// elsewhere stands for the content of a file in a Stoker's container, as the variable that names the file wants it.
func elsewhere(settings map[string]string, path string) []byte {
	for name, value := range settings {
		if value == path && config.IsSource(name) {
			return []byte("http+json://elsewhere.invalid/?value=unknown")
		}
	}
	return []byte("https://elsewhere.invalid")
}

// shownSetting is a setting as it may be shown: the URL of a source may hold a password.
func shownSetting(name, value string) string {
	if config.IsSource(name) {
		return name + "=…"
	}
	return name + "=" + value
}

// given returns the environment without empty variables, which count as not set.
func (e Env) given() []string {
	return slices.DeleteFunc(slices.Clone(e.Environ), func(v string) bool { return strings.HasSuffix(v, "=") })
}

// decides reports whether a variable changes the result of check.
func decides(name string) bool {
	switch name {
	case "STOKER_SELECT", "STOKER_SCOPE", "STOKER_COMPAT", "STOKER_REQUIRE_QUOTA", "STOKER_CPU_BUDGET":
		return true
	}
	return config.IsSource(name) || slices.ContainsFunc(policy.Labels(), func(l policy.Label) bool { return l.Env == name })
}

func plannedOf(c config.Config, s composefile.Service, stokers []composefile.Service) serviceReport {
	reading := c.Rules.Read(policy.Candidate{Labels: s.Labels, CPUs: s.Limits.CPUs, QuotaKnown: true})
	p := serviceReport{Service: s.Name, Replicas: s.Replicas, evaluation: evaluate(c, reading, s.Labels)}
	p.CPUs, p.Restart = s.Limits.CPUs, restart(s.Restart.Policy)
	p.Problems = append(p.Problems, misplaced(s)...)
	p.judgeLimit(reading.Policy, s.Limits.Memory)
	p.Problems = append(p.Problems, refusedLimits(s.Limits)...)
	p.Problems = append(p.Problems, refusedRestart(s.Restart)...)
	if len(s.Inactive) > 0 {
		p.Replicas = 0
	}
	p.promised = promised(reading.Policy, s.Limits.CPUs)
	if p.Managed && p.Held == worker.HeldNot && p.Replicas > 0 {
		group, _ := policy.Group(s.Labels, s.Name)
		p.member = groupMember{
			name: s.Name, group: group, demand: reading.Policy.Demand, cpus: s.Limits.CPUs, count: p.Replicas,
			advice: adviseOnSleep(reading.Policy, s.Restart.Policy, false),
		}
	}
	if p.Managed {
		p.Problems = append(p.Problems, sharesNoNetwork(reading.Policy, s, stokers)...)
		p.Advice = append(p.Advice, adviseOnService(reading.Policy, s)...)
		p.Advice = append(p.Advice, adviseOnQuota(c, reading.Policy, s.Limits.CPUs)...)
		p.Advice = append(p.Advice, adviseOnMemory(reading.Policy, s.Limits.Memory)...)
		p.Advice = append(p.Advice, adviseOnSchedules(s.Labels)...)
		p.Advice = append(p.Advice, adviseOnEnd(p.Why, reading.Policy, s)...)
		if s.Deploy.Condition == "on-failure" && s.Health != composefile.HealthOff {
			p.Advice = append(p.Advice, onFailure)
		}
	}
	return p
}

// onFailure is why a condition of Swarm's does not go with a health check.
const onFailure = "deploy.restart_policy on-failure and a health check: in a Swarm a task that is unhealthy and ends with 0 when it is stopped is never replaced; use condition any"

// misplaced finds labels of Stoker that are in deploy.labels.
func misplaced(s composefile.Service) []string {
	var lost []string
	for _, key := range slices.Sorted(maps.Keys(s.Deploy.Labels)) {
		if _, also := s.Labels[key]; !also && hasHealerLabels(map[string]string{key: ""}) {
			lost = append(lost, key+"="+s.Deploy.Labels[key]+": is in deploy.labels, which compose puts on no container; move it to labels")
		}
	}
	return lost
}

// The least quota that the kernel takes is a millisecond in each period, which cpus has at 100 ms (seen: the engine creates a container
// with less, and its start fails with "invalid argument").
const (
	leastCPUs = 0.01
	leastPair = 1000 // microseconds
)

// refusedLimits finds limits that make no container: compose passes them on, and the engine refuses them.
func refusedLimits(l composefile.Limits) []string {
	var problems []string
	if l.Clash {
		problems = append(problems, "cpus and cpu_quota or cpu_period exclude each other: the engine refuses such a container; keep cpus")
	}
	switch {
	case l.Pair == 0 && l.CPUs > 0 && l.CPUs < leastCPUs:
		problems = append(problems, fmt.Sprintf("cpus %g: the kernel takes no quota below %g: such a container is created and never starts", l.CPUs, leastCPUs))
	case l.Pair > 0 && l.Pair < leastPair:
		problems = append(problems, fmt.Sprintf("cpu_quota %d: the kernel takes no quota below %d: the engine refuses such a container", l.Pair, leastPair))
	}
	return problems
}

// refusedRestart finds a restart policy that the engine refuses, too.
func refusedRestart(r composefile.Restart) []string {
	policies := []string{"no", "always", "unless-stopped", "on-failure"}
	written := r.Policy.Name
	if r.Retries != "" {
		written += ":" + r.Retries
	}
	_, err := strconv.ParseUint(r.Retries, 10, 31)
	switch known := r.Policy.Name == "" || slices.Contains(policies, r.Policy.Name); {
	case !known:
		if nearest := policy.Suggest(r.Policy.Name, policies); nearest != "" {
			return []string{fmt.Sprintf("restart: %s: the engine refuses it; did you mean %s?", written, nearest)}
		}
		return []string{fmt.Sprintf("restart: %s: the engine refuses it; write one of %s", written, strings.Join(policies, ", "))}
	case r.Retries != "" && r.Policy.Name != "on-failure":
		return []string{fmt.Sprintf("restart: %s: the engine takes a number of retries with on-failure alone", written)}
	case r.Retries != "" && err != nil:
		return []string{fmt.Sprintf("restart: %s: the number of retries is not a whole number", written)}
	}
	return nil
}

func adviseOnService(p policy.Policy, s composefile.Service) []string {
	var advice []string
	switch s.Health {
	case composefile.HealthOff:
		advice = append(advice, adviseOnCheck(p, s.Network.Ports, noHealthCheck)...)
	case composefile.HealthUnspecified:
		advice = append(advice, adviseOnCheck(p, s.Network.Ports,
			"no health check here, and whether the image has one cannot be seen from here: without one a worker that hangs looks alive")...)
	case composefile.HealthOn:
	}
	switch {
	case len(s.Inactive) > 0:
		advice = append(advice, fmt.Sprintf("is not created by compose up unless a profile is active: --profile %s", s.Inactive[0]))
	case s.Replicas == 0:
		advice = append(advice, "has 0 replicas: compose up makes no container of it")
	}
	return advice
}

// adviseOnEnd is about services that should exit, and about Docker's restart policy.
func adviseOnEnd(why policy.Why, p policy.Policy, s composefile.Service) []string {
	advice := adviseOnRestart(why, p, s.Restart.Policy)
	if s.Awaited && p.OnExit == policy.OnExitAlways && len(advice) == 0 {
		advice = append(advice, "another service waits for it to complete, and stoker.on-exit=always starts it again after that: "+
			"stoker.on-exit=failure lets it end")
	}
	return advice
}

// loads returns the quotas of the services once they are up.
func (d stackReport) loads() []load {
	var all []load
	for _, p := range d.Services {
		all = append(all, load{cpus: p.promised, containers: p.Replicas})
	}
	return all
}

func (f report) loads() []load {
	var all []load
	for _, w := range f.Workers {
		if w.Status == worker.StatusRunning {
			all = append(all, load{cpus: w.promised, containers: 1})
		}
	}
	return all
}

// checkFlags are the flags of check.
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
