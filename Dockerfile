FROM node:24-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# Which would prepare an embedded database, for the user who installs alone.
RUN npm pkg delete scripts.prepare && npm ci --omit=dev --no-audit --no-fund

FROM node:24-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY drizzle ./drizzle
COPY views ./views
COPY src ./src
RUN install -d -o node -g node -m 0700 /app/.data
USER node
EXPOSE 3000
VOLUME /app/.data
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/readyz`).then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "--expose-gc", "--v8-pool-size=1", "--liftoff-only", "--import", "./src/imports.ts", "src/server.ts"]
