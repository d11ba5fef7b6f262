package mender

import (
	"context"
	"iter"
	"sync"
	"time"
)

// Page is one page of a list.
type Page[T any] struct {
	// ServerTime is the server's time when it answered, truncated to the second, or
	// zero if the answer has no date.
	ServerTime time.Time

	empty  bool
	decode func() ([]T, error)
}

// Items decodes the items of the page. It is separate from fetching, so that one
// page can be decoded while Pages fetches the next.
func (p Page[T]) Items() ([]T, error) { return p.decode() }

// ahead is how many pages are fetched before the reader asks for them.
const ahead = 3

// Pages fetches a list page by page, counted from 1, until a page is empty, the
// reader stops, or an error occurs, which is the last value. Nothing is fetched
// until the reader asks for the first page. From the second page on, a few pages
// are fetched ahead, one request at a time.
func Pages[T any](ctx context.Context, fetch func(ctx context.Context, n int) (Page[T], error)) iter.Seq2[Page[T], error] {
	return func(yield func(Page[T], error) bool) {
		first, err := fetch(ctx, 1)
		if !yield(first, err) || err != nil || first.empty {
			return
		}
		pages, stop := fetchAhead(ctx, fetch)
		defer stop()
		for p := range pages {
			if !yield(p.page, p.err) {
				return
			}
		}
	}
}

// fetched is a page, or the error that prevented fetching it.
type fetched[T any] struct {
	page Page[T]
	err  error
}

// fetchAhead fetches pages, starting with the second, until stop is called. stop
// returns once no request is in progress.
func fetchAhead[T any](ctx context.Context, fetch func(context.Context, int) (Page[T], error)) (pages <-chan fetched[T], stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	out := make(chan fetched[T], ahead-1)
	stopped := make(chan struct{}) // closed once the reader wants no more pages or errors
	var fetching sync.WaitGroup
	fetching.Go(func() {
		defer close(out)
		for n := 2; ; n++ {
			page, err := fetch(ctx, n)
			select {
			case out <- fetched[T]{page, err}:
			case <-stopped:
				return
			}
			if err != nil || page.empty {
				return
			}
		}
	})
	return out, func() {
		cancel()
		close(stopped)
		fetching.Wait()
	}
}
