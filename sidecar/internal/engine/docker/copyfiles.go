package docker

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/docker/docker/api/types/container"
)

// copyFiles copies files from the old container into the new one, at the same paths and with the same owners and modes.
func (t *stepper) copyFiles(ctx context.Context) error {
	t.report.Sent = true
	planned, _ := t.call.Plan.Data.(plan) // Data is always a plan
	for _, file := range planned.files {
		err := bounded(ctx, 0, func(ctx context.Context) error { return t.copyFile(ctx, file) })
		if err != nil {
			return fmt.Errorf("copy %s into the new container: %w", file, err)
		}
	}
	return nil
}

func (t *stepper) copyFile(ctx context.Context, file string) error {
	from, _, err := t.api.CopyFromContainer(ctx, t.call.OldID, file)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }()
	read, write := io.Pipe()
	defer func() { _ = read.Close() }()
	go func() { _ = write.CloseWithError(rebase(write, from, file)) }() // ends with either side of the copy
	return t.api.CopyToContainer(ctx, t.call.ID, "/", read, container.CopyToContainerOptions{})
}

// rebase rewrites an archive of one file with the whole path in it: the engine creates the parent folders, which may be
// missing in the new container.
func rebase(to io.Writer, from io.Reader, file string) error {
	in, out := tar.NewReader(from), tar.NewWriter(to)
	for {
		header, err := in.Next()
		switch {
		case errors.Is(err, io.EOF):
			return out.Close()
		case err != nil:
			return fmt.Errorf("read the archive: %w", err)
		}
		header.Name = strings.TrimPrefix(path.Join(path.Dir(file), header.Name), "/")
		if err := out.WriteHeader(header); err != nil {
			return fmt.Errorf("write the archive: %w", err)
		}
		if _, err := io.Copy(out, in); err != nil {
			return fmt.Errorf("copy the archive: %w", err)
		}
	}
}
