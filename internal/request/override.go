package request

// MethodOverrides are the headers, as FoldName has them, by which applications
// let a client name another method than the request's own.
var MethodOverrides = []string{"x-http-method-override", "x-http-method", "x-method-override"}

// MethodParameter is the parameter of a query by which they do.
const MethodParameter = "_method"
