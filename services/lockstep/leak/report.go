package leak

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// maxExamples bounds the findings that a report describes. It counts them all.
const maxExamples = 50

// Report gathers findings. The zero value is ready, and safe for concurrent use.
type Report struct {
	mu       sync.Mutex
	found    uint64
	bytes    int64
	examples []Finding
}

func (r *Report) add(f Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found++
	if len(r.examples) < maxExamples {
		r.examples = append(r.examples, f)
	}
}

func (r *Report) searched(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += bytes
}

// Found is the number of findings.
func (r *Report) Found() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.found
}

// Bytes is how much has been searched.
func (r *Report) Bytes() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes
}

// Examples are the first findings, by place; there may be more.
func (r *Report) Examples() []Finding {
	r.mu.Lock()
	defer r.mu.Unlock()
	sorted := slices.Clone(r.examples)
	slices.SortFunc(sorted, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Place, b.Place), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Value, b.Value))
	})
	return sorted
}

// Tree searches every byte of every file below dir, and the files' own names.
// Places are paths relative to dir, after name. A file that vanishes on the way is passed
// over; one that cannot be read is an error.
func (s *Searcher) Tree(ctx context.Context, dir, name string, report *Report) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		place, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		s.Bytes([]byte(filepath.ToSlash(place)), "the name of "+filepath.Join(name, place), report)
		if entry.Type().IsRegular() {
			group.Go(func() error { return s.file(path, filepath.Join(name, place), report) })
		}
		return nil
	})
	if failed := group.Wait(); failed != nil {
		return failed
	}
	return err
}

func (s *Searcher) file(path, place string, report *Report) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := s.Read(f, place, report); err != nil {
		return fmt.Errorf("search %s: %w", path, errors.Join(err, f.Close()))
	}
	return f.Close()
}
