package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/docker/docker/client"
)

// soakOptions are the options of a soak.
type soakOptions struct {
	binary, image string
	engine        string        // container that the engine runs in, which may be stopped and killed; empty is the default engine
	length        time.Duration // of the time with faults
	workers       int
	seed          uint64
}

// soak is a run of Stoker with many workers under constant faults. The seed decides which fault comes next and to which worker, but the times
// depend on the machine. So the runs of one seed are similar, not equal.
type soak struct {
	soakOptions
	api    *client.Client
	host   string
	tag    string // the scope, and the prefix of all names
	dir    string
	random *rand.Rand
	stoker *stokerProcess
	began  time.Time

	mu         sync.Mutex // guards the following fields
	managed    []*soakWorker
	counts     map[string]int
	violations []string
}

// The limits of a soak. soakBackoff is the backoff-max of its workers; soakHeal allows for a busy machine.
const (
	soakBackoff = 10 * time.Second
	soakHeal    = time.Minute
	soakStable  = 15 * time.Second // how long the intended state must last
	soakPace    = 700 * time.Millisecond
)

func runSoak(ctx context.Context, opts soakOptions) (*soakResult, error) {
	s, err := newSoak(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer s.close()
	fmt.Fprintf(os.Stderr, "soak of %s with %d workers, seed %d\n", s.length, s.workers, s.seed)
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	watching, stop := context.WithCancel(ctx)
	var sampler sync.WaitGroup
	sampler.Go(func() { s.observe(watching) })
	err = s.injectFaults(ctx)
	if err == nil {
		err = s.settle(ctx)
	}
	stop()
	sampler.Wait()
	if err != nil {
		return nil, err
	}
	return s.result(ctx), nil
}

func newSoak(ctx context.Context, opts soakOptions) (*soak, error) {
	s := &soak{
		soakOptions: opts, tag: fmt.Sprintf("soak-%d", os.Getpid()), counts: map[string]int{},
		random: rand.New(rand.NewPCG(opts.seed, 1)), //nolint:gosec // not a secret
	}
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	if _, err := s.api.ImageInspect(ctx, s.image); err != nil {
		return nil, fmt.Errorf("no image %s on the engine: %w", s.image, err)
	}
	var err error
	s.dir, err = os.MkdirTemp("", "stoker-soak-")
	return s, err
}

// connect opens the API of the engine. The socket of an engine in a container is found through the container's first process.
func (s *soak) connect(ctx context.Context) error {
	option := client.FromEnv
	if s.engine != "" {
		pid, err := command(ctx, "docker", "inspect", "-f", "{{.State.Pid}}", s.engine)
		if err != nil {
			return err
		}
		option = client.WithHost("unix://" + filepath.Join("/proc", pid, "root/run/docker.sock"))
	}
	api, err := client.NewClientWithOpts(option, client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	s.api, s.host = api, api.DaemonHost()
	if _, err := api.Ping(ctx); err != nil {
		return fmt.Errorf("no engine at %s: %w", s.host, err)
	}
	return nil
}

// prepare creates the workers and starts Stoker.
func (s *soak) prepare(ctx context.Context) error {
	for i := range s.workers {
		s.managed = append(s.managed, s.newSoakWorker(i))
	}
	err := inParallel(s.managed, func(c *soakWorker) error { return s.create(ctx, c) })
	if err != nil {
		return err
	}
	s.stoker = &stokerProcess{binary: s.binary, env: []string{
		"DOCKER_HOST=" + s.host, "STOKER_SCOPE=" + s.tag, "STOKER_STATE_DIR=" + s.dir, "STOKER_LOG_LEVEL=warn", "PATH=" + os.Getenv("PATH"),
	}, log: filepath.Join(s.dir, "stoker.log")}
	if err := s.stoker.start(ctx); err != nil {
		return err
	}
	s.began = time.Now()
	return s.stoker.ready(ctx)
}

// injectFaults causes one fault after the other until the time is over. Stoker is killed in the first third only, so that its last process runs
// long enough to check its memory.
func (s *soak) injectFaults(ctx context.Context) error {
	big := s.schedule()
	for ctx.Err() == nil {
		at := time.Since(s.began)
		if at >= s.length {
			return nil
		}
		next := s.smallFault
		if len(big) > 0 && at >= big[0].at {
			next, big = big[0].do, big[1:]
		}
		if err := next(ctx); err != nil {
			return err
		}
		pause(ctx, time.Duration(s.random.Int64N(int64(2*soakPace))))
	}
	return ctx.Err()
}

// scheduledFault is a rare fault with its time.
type scheduledFault struct {
	at time.Duration
	do func(context.Context) error
}

// schedule spreads the rare faults over the time: kills of Stoker, and stops and kills of the engine.
func (s *soak) schedule() []scheduledFault {
	var all []scheduledFault
	draw := func(from, to float64, do func(context.Context) error) {
		share := from + (to-from)*s.random.Float64()
		all = append(all, scheduledFault{time.Duration(share * float64(s.length)), do})
	}
	for n := range 4 {
		draw(0.07*float64(n)+0.02, 0.07*float64(n)+0.08, s.killStoker)
	}
	if s.engine != "" {
		draw(0.12, 0.18, s.stopEngine)
		draw(0.36, 0.42, s.killEngine)
		draw(0.55, 0.60, s.stopEngine)
		draw(0.72, 0.78, s.killEngine)
	}
	slices.SortFunc(all, func(a, b scheduledFault) int { return int(a.at - b.at) })
	return all
}

// settle waits until every worker is in its intended state, and checks that it stays so.
func (s *soak) settle(ctx context.Context) error {
	began, limit := time.Now(), soakBackoff+soakHeal
	var deviations []string
	for {
		var err error
		if deviations, err = s.deviations(ctx); err != nil {
			return err
		}
		if len(deviations) == 0 || time.Since(began) > limit {
			break
		}
		pause(ctx, 500*time.Millisecond)
	}
	s.stoker.settled = time.Since(began)
	if len(deviations) == 0 {
		pause(ctx, soakStable)
		var err error
		if deviations, err = s.deviations(ctx); err != nil {
			return err
		}
	}
	for _, what := range deviations {
		s.violate("at the end: %s", what)
	}
	if !returnsOK(ctx, "http://"+s.stoker.address+"/readyz") {
		s.violate("at the end: Stoker is not ready")
	}
	return ctx.Err()
}

func (s *soak) violate(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, fmt.Sprintf("%s after the start: ", time.Since(s.began).Round(time.Second))+fmt.Sprintf(format, args...))
}

// close removes everything. After a violation it keeps Stoker's log and journal.
func (s *soak) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if s.stoker != nil && s.stoker.proc != nil {
		stop(s.stoker.proc)
	}
	if err := s.removeAll(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "clean up:", err)
	}
	if len(s.violations) > 0 {
		fmt.Fprintln(os.Stderr, "Stoker's log and journal are in", s.dir)
		return
	}
	_ = os.RemoveAll(s.dir)
}

var errNoCandidate = errors.New("no worker is in the state for it")
