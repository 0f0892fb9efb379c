/// <reference types="vite/client" />

declare module '*.zz?raw' {
  const text: string;
  export default text;
}
