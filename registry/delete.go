package registry

import (
	"context"
	"fmt"
	"slices"
)

// DeleteVersion deletes one version of a subject: softly, so that it is still
// known by its id and may not be registered against, or for good, which it must
// have been deleted softly for. A version that others refer to is not deleted.
// Neither its number nor its id is ever given again, but to the same schema its
// id.
func (r *Registry) DeleteVersion(ctx context.Context, subject string, number int, permanent bool, author string) error {
	return r.commit(ctx, func() (*record, error) {
		v, ok := r.Version(subject, number)
		switch {
		case !ok:
			return nil, r.missing(subject, number)
		case v.Deleted && !permanent:
			return nil, &Error{
				Code: CodeVersionSoftDeleted, Message: fmt.Sprintf("subject %q version %d was soft deleted", subject, number),
				Cure: "set permanent=true to delete it permanently",
			}
		case !v.Deleted && permanent:
			return nil, &Error{
				Code: CodeVersionNotSoftDeleted, Message: fmt.Sprintf("subject %q version %d was not deleted first before being permanently deleted", subject, number),
				Cure: "delete it without permanent=true first",
			}
		}
		return r.deletion(subject, []Version{v}, permanent, author)
	})
}

// DeleteSubject deletes all versions of a subject, with its configuration and
// mode, and returns their numbers; softly, or for good those that were deleted
// softly, if all are.
func (r *Registry) DeleteSubject(ctx context.Context, subject string, permanent bool, author string) ([]int, error) {
	var numbers []int
	err := r.commit(ctx, func() (*record, error) {
		all := r.AllVersions(subject)
		live := slices.DeleteFunc(slices.Clone(all), func(v Version) bool { return v.Deleted }) // drafts too
		switch {
		case len(all) == 0:
			return nil, subjectNotFound(subject)
		case permanent && len(live) > 0:
			return nil, &Error{
				Code: CodeSubjectNotSoftDeleted, Message: fmt.Sprintf("subject %q was not deleted first before being permanently deleted", subject),
				Cure: "delete it without permanent=true first",
			}
		case !permanent && len(live) == 0:
			return nil, &Error{
				Code: CodeSubjectSoftDeleted, Message: fmt.Sprintf("subject %q was soft deleted", subject),
				Cure: "set permanent=true to delete it permanently",
			}
		case !permanent:
			all = live
		}
		c, err := r.deletion(subject, all, permanent, author)
		if err != nil {
			return nil, err
		}
		c.Whole = true
		numbers = c.Versions
		return c, nil
	})
	return numbers, err
}

// deletion is the record that deletes the versions, unless it must not be.
func (r *Registry) deletion(subject string, versions []Version, permanent bool, author string) (*record, error) {
	if err := r.changeable(subject); err != nil {
		return nil, err
	}
	c := &record{Kind: kindDelete, Subject: subject, Permanent: permanent, Author: author}
	among := map[place]bool{}
	for _, v := range versions {
		among[place{subject, v.Version}] = true
		c.Versions = append(c.Versions, v.Version)
	}
	for _, v := range versions {
		for _, user := range r.Users(subject, v.Version) {
			// What is deleted softly is still read by its own references.
			if user.Deleted && !permanent || among[place{user.Subject, user.Version}] {
				continue
			}
			return nil, &Error{
				Code:    CodeReferenceExists,
				Message: fmt.Sprintf("one or more references exist to version %d of subject %q: version %d of %q refers to it", v.Version, subject, user.Version, user.Subject),
				Cure:    "delete what refers to it first",
			}
		}
	}
	return c, nil
}
