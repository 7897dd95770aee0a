# timeball in a container that has nothing else in it: one static program, its
# settings, no shell, no root.
#
#     docker build --tag timeball .
#     docker run --publish 123:123/udp --read-only --cap-drop all timeball
#
# docs/operating.md says more.

FROM rust:1.95-bookworm AS program
WORKDIR /source
COPY . .
# Static, with glibc: nothing of it is loaded at run time. So random numbers have to come
# from the system call at once: a static program would not find it at run time, and look
# for /dev/urandom instead. The target is named so that the flags hold for the program
# and not for what runs while it is built.
RUN target="$(rustc --print host-tuple)" \
    && RUSTFLAGS='-C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"' \
       cargo build --release --locked --target "$target" \
    && cp "target/$target/release/timeball" /timeball

FROM scratch
COPY --from=program /timeball /usr/bin/timeball
COPY deploy/debian/settings.toml /etc/timeball/settings.toml
# Numbers, since there is no /etc/passwd. Docker and Podman let them bind port 123.
USER 65532:65532
EXPOSE 123/udp
# 3 is a clock that nobody keeps: not healthy either.
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s --retries=3 \
    CMD ["/usr/bin/timeball", "query", "--protocol", "ntp", "127.0.0.1:123"]
ENTRYPOINT ["/usr/bin/timeball"]
CMD ["serve", "--settings", "/etc/timeball/settings.toml"]
