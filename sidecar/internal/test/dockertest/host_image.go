package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

// workerTag is the image of the sample worker as the tests run it.
const workerTag = "stoker-worker:test"

const workerDockerfile = `FROM scratch
COPY worker /worker
ENTRYPOINT ["/worker"]
`

// imageOnce has the image built once in a test binary; the engine's cache makes the next binary's build a short one.
var imageOnce struct {
	sync.Once
	err error
}

func workerImage(c *client.Client) error {
	imageOnce.Do(func() { imageOnce.err = buildWorkerImage(c) })
	return imageOnce.err
}

func buildWorkerImage(c *client.Client) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	binary, err := buildWorker(ctx)
	if err != nil {
		return err
	}
	before := imageOf(ctx, c)
	answer, err := c.ImageBuild(ctx, contextOf(binary), build.ImageBuildOptions{
		Tags: []string{workerTag}, Remove: true, ForceRemove: true, Version: build.BuilderV1,
	})
	if err != nil {
		return fmt.Errorf("send the build: %w", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if err := buildResult(answer.Body); err != nil {
		return err
	}
	if before != "" && before != imageOf(ctx, c) {
		_, _ = c.ImageRemove(ctx, before, image.RemoveOptions{}) // in use by another test that runs now: then it stays
	}
	return nil
}

// buildWorker compiles the sample worker, in the same bytes each time.
func buildWorker(ctx context.Context) ([]byte, error) {
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "worker")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the worker: %w", err)
	}
	defer func() { _ = os.RemoveAll(folder) }()
	path := filepath.Join(folder, "worker")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", path, "./workerimage")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if got, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile the worker: %w\n%s", err, got)
	}
	return os.ReadFile(path)
}

// moduleRoot is the folder of go.mod, above the package whose tests run.
func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", errors.New("find the module: no go.mod above the tests")
		}
		folder = above
	}
}

// contextOf is a build context in memory. Its times are fixed, so that the engine's cache recognizes it.
func contextOf(binary []byte) io.Reader {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name string
		mode int64
		body []byte
	}{{"Dockerfile", 0o644, []byte(workerDockerfile)}, {"worker", 0o755, binary}} {
		// Writing to memory does not fail.
		_ = w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.body)), ModTime: time.Unix(1, 0)})
		_, _ = w.Write(f.body)
	}
	_ = w.Close()
	return &b
}

// buildResult reads the build's words to the end; the error is among them.
func buildResult(r io.Reader) error {
	for decoder := json.NewDecoder(r); ; {
		var line struct{ Error string }
		err := decoder.Decode(&line)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the build's answer: %w", err)
		case line.Error != "":
			return fmt.Errorf("the build failed: %s", line.Error)
		}
	}
}

// imageOf is the ID behind workerTag; empty when there is none.
func imageOf(ctx context.Context, c *client.Client) string {
	got, err := c.ImageInspect(ctx, workerTag)
	if err != nil {
		return ""
	}
	return got.ID
}
