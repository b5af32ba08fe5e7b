package check

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"sync"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/services/lockstep/cli"
)

// Git is a revision of the folder that is checked. It reads through the git
// command, and is safe for concurrent use.
type Git struct {
	ref string
	fs  fs.FS // the folder as it was

	mu      sync.Mutex
	domains map[string]*revision
}

// revision is a domain as it was.
type revision struct {
	once  sync.Once
	files map[string]folder.File // by subject
	err   error
}

// OpenGit reads the folder dir as it was in the revision ref of the repository
// that it lies in. Where the revision has no such folder, it was empty. The error
// is a *cli.Error.
func OpenGit(ctx context.Context, dir, ref string) (*Git, error) {
	g := &git{dir: dir}
	prefix, err := g.run(ctx, "rev-parse", "--show-prefix")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, &cli.Error{Code: "git", What: "the git command is not there", Cause: err, Cure: "install git, or compare with a registry: --against http://host:port"}
	} else if err != nil {
		return nil, &cli.Error{Code: "git", What: "the folder is in no git repository", Where: dir, Cause: err, Cure: "check a folder of a repository, or compare with a registry: --against http://host:port"}
	}
	commit, err := g.run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return nil, &cli.Error{
			Code: "git", What: fmt.Sprintf("the repository knows no revision %q", ref), Where: dir, Cause: err,
			Cure: "name a branch, a tag or a commit that is there (a shallow clone may have to fetch it first), or a registry's URL",
		}
	}
	g.tree = strings.TrimSpace(commit) + ":" + strings.TrimSuffix(strings.TrimSpace(prefix), "/")
	files := &Git{ref: ref, domains: map[string]*revision{}}
	if files.fs, err = g.read(ctx); err != nil {
		return nil, &cli.Error{Code: "git", What: fmt.Sprintf("the folder cannot be read as it was in %q", ref), Where: dir, Cause: err, Cure: "git -C " + dir + " ls-tree " + g.tree + " shows why"}
	}
	return files, nil
}

// git runs the git command in a folder.
type git struct {
	dir  string
	tree string
}

func (g *git) run(ctx context.Context, args ...string) (string, error) {
	out, err := g.with(ctx, nil, args...)
	return string(out), err
}

func (g *git) with(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, "git", append([]string{"-C", g.dir}, args...)...)
	var stderr bytes.Buffer
	c.Stdin, c.Stderr = bytes.NewReader(stdin), &stderr
	out, err := c.Output()
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if text := strings.TrimSpace(stderr.String()); err != nil && text != "" {
		return nil, fmt.Errorf("git %s: %w: %s", args[0], err, text)
	} else if err != nil {
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	return out, nil
}

// read reads the schemas of the tree into memory, as a file system. git archive
// would leave out what .gitattributes says.
func (g *git) read(ctx context.Context) (fs.FS, error) {
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	if _, err := g.run(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", g.tree); err == nil {
		list, err := g.run(ctx, "ls-tree", "-r", "-z", "--full-tree", g.tree)
		if err != nil {
			return nil, err
		}
		if err := g.copy(ctx, w, list); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return zip.NewReader(bytes.NewReader(archive.Bytes()), int64(archive.Len()))
}

// copy puts the listed schema files into an archive.
func (g *git) copy(ctx context.Context, w *zip.Writer, list string) error {
	var names []string
	var wanted bytes.Buffer
	for entry := range strings.SplitSeq(list, "\x00") {
		// MODE SP TYPE SP OBJECT TAB NAME
		about, name, ok := strings.Cut(entry, "\t")
		fields := strings.Fields(about)
		if !ok || len(fields) != 3 || fields[1] != "blob" || !strings.HasSuffix(name, folder.Suffix) || !fs.ValidPath(name) {
			continue
		}
		names = append(names, name)
		wanted.WriteString(fields[2] + "\n")
	}
	if len(names) == 0 {
		return nil
	}
	rest, err := g.with(ctx, wanted.Bytes(), "cat-file", "--batch")
	if err != nil {
		return err
	}
	for _, name := range names {
		// OBJECT SP TYPE SP SIZE LF CONTENT LF
		head, after, ok := bytes.Cut(rest, []byte("\n"))
		var object, kind string
		var size int
		if _, err := fmt.Sscan(string(head), &object, &kind, &size); !ok || err != nil || size < 0 || size >= len(after) {
			return fmt.Errorf("git cat-file: %s: an answer that is not understood: %.100q", name, head)
		}
		f, err := w.Create(name)
		if err != nil {
			return err
		}
		if _, err := f.Write(after[:size]); err != nil {
			return err
		}
		rest = after[size+1:]
	}
	return nil
}

// Label is the revision as the user named it.
func (g *Git) Label() string { return g.ref }

// Root is the folder that is checked, as it was.
func (g *Git) Root() fs.FS { return g.fs }

// Level is the default: files have no configuration.
func (g *Git) Level(context.Context, string) (registry.Level, string, error) {
	return registry.DefaultLevel, "", nil
}

// domain is a domain as it was.
func (g *Git) domain(d Domain) (map[string]folder.File, error) {
	g.mu.Lock()
	r := g.domains[d.Name]
	if r == nil {
		r = &revision{}
		g.domains[d.Name] = r
	}
	g.mu.Unlock()
	r.once.Do(func() { r.files, r.err = g.readDomain(d) })
	return r.files, r.err
}

func (g *Git) readDomain(d Domain) (map[string]folder.File, error) {
	files := map[string]folder.File{}
	if _, err := fs.Stat(g.fs, d.Path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return files, nil
		}
		return nil, err
	}
	sub, err := fs.Sub(g.fs, d.Path)
	if err != nil {
		return nil, err
	}
	read, err := folder.Read(d.Name, sub)
	var problems folder.Problems
	if errors.As(err, &problems) {
		if len(problems) == 1 && problems[0].Code == folder.CodeEmpty {
			return files, nil
		}
		e := cli.SchemaProblems(fmt.Sprintf("the schemas were broken in %q already, so that nothing can be compared with them", g.ref), problems.Below(d.Path))
		e.Cure = "compare with a revision in which they are sound, or check without --against"
		return nil, e
	} else if err != nil {
		return nil, err
	}
	for _, f := range read {
		files[f.Subject] = f
	}
	return files, nil
}

// Subjects are those that the domain had: all there were.
func (g *Git) Subjects(_ context.Context, d Domain) (names []string, complete bool, err error) {
	files, err := g.domain(d)
	for name := range files {
		names = append(names, name)
	}
	return names, true, err
}

// Versions is the one that the revision holds.
func (g *Git) Versions(_ context.Context, d Domain, subject string, _ bool) ([]Version, error) {
	files, err := g.domain(d)
	if err != nil {
		return nil, err
	}
	f, ok := files[subject]
	if !ok {
		return nil, nil
	}
	return []Version{{Label: g.ref, Bundle: f.Bundle}}, nil
}

// File is a file of a domain as it was; not ok if there was none.
func (g *Git) File(d Domain, name string) (folder.File, bool, error) {
	files, err := g.domain(d)
	for _, f := range files {
		if f.Path == name {
			return f, true, err
		}
	}
	return folder.File{}, false, err
}
