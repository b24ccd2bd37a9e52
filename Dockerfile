# The notebooks in a container, set up: docker build -t kinesis-lab . && docker run --rm -p 127.0.0.1:8888:8888 kinesis-lab
FROM debian:trixie-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential ca-certificates curl git python3-venv \
    && rm -rf /var/lib/apt/lists/*
RUN useradd --create-home --shell /bin/bash --uid 1000 learner
USER learner
WORKDIR /home/learner/kinesis-lab
COPY --chown=learner . .
RUN .devcontainer/set-up
ENV PATH=/home/learner/.cargo/bin:$PATH
EXPOSE 8888
# Behind its token; the port is published on the loopback address, as above, or whoever reaches it may try.
CMD ["cargo", "xtask", "lab", "--no-browser", "--port", "8888", "--ip", "0.0.0.0"]
