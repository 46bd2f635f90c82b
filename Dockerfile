# One image for every process: docker run IMAGE server, workers, bots services, or any command such as doctor.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . ./
RUN npm run build
# Optional ones too: one of them is TypeScript, which only types need.
RUN npm prune --omit=dev --omit=optional --ignore-scripts

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
# An example. Your own services: mount a folder at /app/services, or build an image FROM this one and copy them there.
COPY deploy/docker/services services
USER node
EXPOSE 3000
# Of a container with another process: healthcheck workers, healthcheck bots.
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["node", "dist/cli/bin.js", "healthcheck", "server"]
# Without a shell in between, so that SIGTERM reaches the process, which then finishes its work.
ENTRYPOINT ["node", "dist/cli/bin.js"]
CMD ["server"]
