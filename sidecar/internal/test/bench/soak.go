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

// soakOptions are what a soak is asked for.
type soakOptions struct {
	binary, image string
	engine        string        // container that the engine runs in, so that it may be stopped and killed; empty is the engine at hand
	length        time.Duration // of the time with faults
	workers       int
	seed          uint64
}

// soak is a Stoker with many workers under constant faults. The seed decides which fault comes next and to which worker; the
// machine decides when. So one seed gives similar runs, not equal ones.
type soak struct {
	soakOptions
	api    *client.Client
	host   string
	tag    string // begins all names, and is the scope
	dir    string
	random *rand.Rand
	stoker *stokerProcess
	began  time.Time

	mu         sync.Mutex // over what follows
	managed    []*soakWorker
	counts     map[string]int
	violations []string // of the rules
}

// The limits of a soak. soakBackoff is the backoff-max of its workers; soakHeal allows for a busy machine.
const (
	soakBackoff = 10 * time.Second
	soakHeal    = time.Minute
	soakCalm    = 15 * time.Second // for which all must stay as it should be
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
	err = s.inflict(ctx)
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
		random: rand.New(rand.NewPCG(opts.seed, 1)), //nolint:gosec // no secret: a draw that can be made again
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

// connect finds the socket of an engine in a container through the container's first process.
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

// stage makes the workers and starts Stoker beside them.
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

// inflict causes one fault after the other until the time is up. Stoker is killed in the first third only, so that its last
// process lives long enough for its memory to be judged.
func (s *soak) inflict(ctx context.Context) error {
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

// scheduledFault is a rare fault, and when it is due.
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

// settle waits until everything is as it should be, and checks that it stays so.
func (s *soak) settle(ctx context.Context) error {
	ceased, limit := time.Now(), soakBackoff+soakHeal
	var deviations []string
	for {
		var err error
		if deviations, err = s.deviations(ctx); err != nil {
			return err
		}
		if len(deviations) == 0 || time.Since(ceased) > limit {
			break
		}
		pause(ctx, 500*time.Millisecond)
	}
	s.stoker.settled = time.Since(ceased)
	if len(deviations) == 0 {
		pause(ctx, soakCalm)
		var err error
		if deviations, err = s.deviations(ctx); err != nil {
			return err
		}
	}
	for _, what := range deviations {
		s.violate("at the end: %s", what)
	}
	if !answersWell(ctx, "http://"+s.stoker.address+"/readyz") {
		s.violate("at the end: Stoker is not ready")
	}
	return ctx.Err()
}

func (s *soak) violate(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, fmt.Sprintf("%s after the start: ", time.Since(s.began).Round(time.Second))+fmt.Sprintf(format, args...))
}

// close removes everything, except Stoker's log and journal when a rule was broken.
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

var errNoSuch = errors.New("no worker is in the state for it")
