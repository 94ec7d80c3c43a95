package app_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/app"
	"stoker/sidecar/internal/command"
	"stoker/sidecar/internal/config"
)

// childVariable makes a process of this test binary a Stoker: the same program as main.go's, with two differences. It prints its address on
// its standard output, and it ends with its standard input, so that no process survives a killed test.
const childVariable = "APP_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		os.Exit(child())
	}
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		// Scenarios wait most of the time; with the default, the number of CPUs, their waits would add up.
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func child() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(3)
	}()
	env := command.Host(command.NewBuild("test", "test"))
	env.Run = func(ctx context.Context, c config.Config, log *logrus.Logger, build command.Build) error {
		a, err := app.New(app.Options{Config: c, Log: log, Version: build.Version, Commit: build.Commit})
		if err != nil {
			return command.BadConfiguration(err)
		}
		fmt.Println(a.Addr())
		return a.Run(ctx)
	}
	return command.Execute(ctx, env)
}
