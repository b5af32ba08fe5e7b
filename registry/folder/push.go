package folder

import (
	"context"
	"errors"
	"fmt"
)

// Reference is a reference of a version to be registered.
type Reference struct {
	Name    string `json:"name"` // as "$ref" has it, without its fragment
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// Register registers text as the next version of subject, or finds the version
// that it is already. Registering the same twice must give the same answer.
type Register func(ctx context.Context, subject string, text []byte, refs []Reference) (version, id int, err error)

// Result is one file that the registry has.
type Result struct {
	Path    string `json:"path"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
	ID      int    `json:"id"`
}

// Stop marks an error of a Register after which no other file will fare
// better: nobody answers, the credentials are refused. Stop(nil) is nil.
func Stop(err error) error {
	if err == nil {
		return nil
	}
	return &stop{err}
}

type stop struct{ cause error }

func (s *stop) Error() string { return s.cause.Error() }
func (s *stop) Unwrap() error { return s.cause }

// Push registers files, which are in Read's order. It is idempotent as far as
// register is. After a file that is refused it goes on with those that do not
// refer to it; it ends early when ctx does, or on an error from Stop.
//
// It returns what the registry has, in the files' order, and with it Problems
// if that is not all: each refused file with the registry's reason, each file
// passed over, and, where it ended early, how many were left.
func Push(ctx context.Context, files []File, register Register) ([]Result, error) {
	results := make([]Result, 0, len(files))
	versions := make(map[string]int, len(files)) // by path
	var problems Problems
	for i, f := range files {
		refs := make([]Reference, len(f.References))
		missing := ""
		for j, r := range f.References {
			version, ok := versions[r.Path]
			if !ok && missing == "" {
				missing = r.Path
			}
			refs[j] = Reference{Name: r.Name, Subject: r.Subject, Version: version}
		}
		if missing != "" {
			problems = append(problems, Problem{
				Code: CodeSkipped, File: f.Path, What: "it was not registered",
				Why: "it refers to " + missing + ", which was not", Cure: "mend that one, then push again",
			})
			continue
		}
		version, id, err := register(ctx, f.Subject, f.Document.Text(), refs)
		if err == nil {
			versions[f.Path] = version
			results = append(results, Result{Path: f.Path, Subject: f.Subject, Version: version, ID: id})
			continue
		}
		problems = append(problems, Problem{
			Code: CodeRefused, File: f.Path, What: fmt.Sprintf("subject %s was not registered", f.Subject), Why: err.Error(),
			Cure: "mend what the reason names, then push again", cause: err,
		})
		if final := (*stop)(nil); errors.As(err, &final) || ctx.Err() != nil {
			if left := len(files) - i - 1; left > 0 {
				problems = append(problems, Problem{
					Code: CodeSkipped, File: ".", What: fmt.Sprintf("%d more files were not registered", left),
					Why: "they would fare the same", Cure: "mend the reason above, then push again: what is registered already stays as it is",
				})
			}
			break
		}
	}
	if len(problems) > 0 {
		return results, problems
	}
	return results, nil
}
