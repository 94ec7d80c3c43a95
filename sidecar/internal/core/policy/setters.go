package policy

import (
	"errors"
	"time"
)

func readBool(_ *Policy, value string) error {
	_, err := ParseBool(value)
	return err
}

func ignore(*Policy, string) error { return nil }

func setOnExit(p *Policy, value string) error {
	v, err := ParseChoice(value, OnExitAlways, OnExitFailure, OnExitNever)
	if err != nil {
		return err
	}
	p.OnExit, p.OnExitExplicit = v, true
	return nil
}

// setIdleAfter accepts any word for no as off: YAML turns a bare off into false.
func setIdleAfter(p *Policy, value string) error {
	if on, err := ParseBool(value); err == nil && !on {
		p.IdleAfter = 0
		return nil
	}
	d, err := ParseDuration(value)
	if err != nil {
		return err
	}
	p.IdleAfter = d
	return nil
}

func setIdleBelow(p *Policy, value string) error {
	share, err := ParseShare(value)
	if err != nil {
		return err
	}
	p.IdleBelow = share
	return nil
}

func choice[T ~string](field func(*Policy) *T, values ...T) setter {
	return func(p *Policy, value string) error {
		v, err := ParseChoice(value, values...)
		if err == nil {
			*field(p) = v
		}
		return err
	}
}

func duration(field func(*Policy) *time.Duration) setter {
	return func(p *Policy, value string) error {
		d, err := ParseDuration(value)
		if err == nil {
			*field(p) = d
		}
		return err
	}
}

func positive(field func(*Policy) *time.Duration) setter {
	return func(p *Policy, value string) error {
		d, err := ParseDuration(value)
		switch {
		case err != nil:
			return err
		case d == 0:
			return errors.New("must be more than 0")
		}
		*field(p) = d
		return nil
	}
}

func count(field func(*Policy) *int) setter {
	return func(p *Policy, value string) error {
		n, err := ParseCount(value)
		if err == nil {
			*field(p) = n
		}
		return err
	}
}

// setCPUs sets the worker's own quota. As a default of the environment it is only for workers without a quota (ParseDefaults).
func setCPUs(p *Policy, value string) error {
	n, err := ParseCPUs(value)
	if err == nil {
		p.CPUs, p.CPUsExplicit = n, true
	}
	return err
}

func cpus(field func(*Policy) *float64) setter {
	return func(p *Policy, value string) error {
		n, err := ParseCPUs(value)
		if err == nil {
			*field(p) = n
		}
		return err
	}
}
