// Package composefile reads the compose files of a stack that does not run yet, as docker compose would: compose-go handles overlays, .env,
// interpolation, profiles, extends and include. It is the only package that uses compose-go's types.
package composefile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// Source names the files to read.
type Source struct {
	Files    []string // merged in this order; - is the standard input
	Profiles []string // to activate beside those of COMPOSE_PROFILES
	Environ  []string // for interpolation, as of os.Environ; completed by .env beside the first file
}

// Stack is the content of the files.
type Stack struct {
	Services []Service // by name, those of inactive profiles too
	Warnings []string  // of compose-go, such as a variable that is not set; a line each
}

// Read reads the files. Its error is one line with the file, and the place in it if compose-go reports one.
//
// The files that env_file names are not read: they may be secret, they need not exist where this runs, and no label depends on them.
func Read(ctx context.Context, from Source) (Stack, error) {
	var project *types.Project
	warnings, err := captureLog(func() (err error) {
		project, err = load(ctx, from)
		return err
	})
	if err != nil {
		return Stack{}, errors.New(from.locate(ctx, err))
	}
	stack := Stack{Warnings: warnings}
	awaitedServices := awaited(project)
	for name, s := range project.AllServices() {
		if s.Provider != nil { // not a container
			continue
		}
		service := translate(s)
		service.Awaited = awaitedServices[name]
		if _, off := project.DisabledServices[name]; off {
			service.Inactive = s.Profiles
		}
		stack.Services = append(stack.Services, service)
	}
	slices.SortFunc(stack.Services, func(a, b Service) int { return cmp.Compare(a.Name, b.Name) })
	return stack, nil
}

func load(ctx context.Context, from Source) (*types.Project, error) {
	options, err := cli.NewProjectOptions(from.Files, cli.WithName(projectName(from.Files)), cli.WithEnv(from.Environ), cli.WithEnvFiles(), cli.WithDotEnv,
		from.withProfiles, cli.WithoutEnvironmentResolution)
	if err != nil {
		return nil, err
	}
	return options.LoadProject(ctx)
}

// withProfiles activates the profiles of both places: --profile adds to those of COMPOSE_PROFILES.
func (s Source) withProfiles(o *cli.ProjectOptions) error {
	all := slices.Clone(s.Profiles)
	for name := range strings.SplitSeq(o.Environment["COMPOSE_PROFILES"], ",") {
		all = append(all, strings.TrimSpace(name))
	}
	return cli.WithProfiles(all)(o)
}

// locate returns err in one line with the name of a file. Of several files it is the first with which the error appears: compose-go
// leaves that out for errors in the merged result.
func (s Source) locate(ctx context.Context, err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return fmt.Sprintf("cannot read %s: %v", path.Path, path.Err)
	}
	text := oneLine(err)
	if s.names(text) {
		return text
	}
	culprit := s.Files[len(s.Files)-1]
	for n := 1; n < len(s.Files); n++ {
		part := Source{Files: s.Files[:n], Profiles: s.Profiles, Environ: s.Environ}
		_, _ = captureLog(func() error {
			if _, alone := load(ctx, part); alone != nil && oneLine(alone) == text {
				culprit, n = part.Files[n-1], len(s.Files)
			}
			return nil
		})
	}
	if culprit == "-" {
		culprit = "standard input"
	}
	return culprit + ": " + text
}

func (s Source) names(text string) bool {
	return slices.ContainsFunc(s.Files, func(file string) bool {
		whole, err := filepath.Abs(file)
		return file != "-" && err == nil && strings.Contains(text, whole)
	})
}

// oneLine returns compose-go's text in one line, with a cryptic phrase replaced.
func oneLine(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	return strings.ReplaceAll(text, " false schema", " is not an attribute of compose")
}

// awaited returns the services for whose successful exit another one waits.
func awaited(project *types.Project) map[string]bool {
	all := map[string]bool{}
	for _, s := range project.AllServices() {
		for name, dependency := range s.DependsOn {
			if dependency.Condition == types.ServiceConditionCompletedSuccessfully {
				all[name] = true
			}
		}
	}
	return all
}

// projectName returns a name for a project from the standard input, which may have none: there may be no folder with a name, as
// in the root of an image. Others keep their own.
func projectName(files []string) string {
	if slices.Contains(files, "-") {
		return "stdin"
	}
	return ""
}
